"""The training recipe's fields, their defaults and their limits. `trainer.recipe` reads it from a file.

Owns every number that a run can be given. Must never import torch or a stage of the trainer: a recipe is checked before
anything slow is loaded.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Literal

from lsp_server.errors import RecipeError
from trainer.corpus.config import CorpusConfig as CorpusConfig  # read from here by the stages
from trainer.dataset_config import DatasetConfig
from trainer.fit.config import FitConfig as FitConfig  # read from here by the stages
from trainer.ladder.settings import LadderConfig
from trainer.limits import require as _require
from trainer.task_kinds import KINDS, Kind
from trainer.tuning.settings import TuningConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerConfig:
    """The byte-level BPE that is trained on the corpus."""

    vocab_size: int = 16_384
    """Sentinels included; a multiple of 64 keeps matrix products aligned."""
    sample_bytes: int = 100_000_000
    """Text the merges are learnt from; documents are drawn by their hash."""

    def __post_init__(self) -> None:
        _require("tokenizer.vocab_size", self.vocab_size, 320, 1_000_000)
        _require("tokenizer.sample_bytes", self.sample_bytes, 1, None)
        if self.vocab_size % 64:
            nearest = round(self.vocab_size / 64) * 64
            raise RecipeError(f"tokenizer.vocab_size is {self.vocab_size}: choose a multiple of 64, such as {nearest}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackingConfig:
    """The token shards on disk."""

    dtype: Literal["auto", "uint16", "uint32"] = "auto"
    """`auto` is uint16 while the vocabulary fits it."""
    shard_tokens: int = 50_000_000
    processes: int = 0
    """That encode beside each other; 0 is one a core. The shards are the same for any number."""
    canaries: int = 0
    """Made-up secrets among the training text, by which `evaluate.memorised` measures what the model remembers."""
    canary_copies: tuple[int, ...] = (1, 4, 16)
    """How often a canary stands there, in turn."""
    train_share: float = 1.0
    """Share of the training documents that is used, drawn by their hashes: to see what half the data would do."""

    def __post_init__(self) -> None:
        _require("packing.shard_tokens", self.shard_tokens, 1024, None)
        _require("packing.processes", self.processes, 0, 1024)
        _require("packing.canaries", self.canaries, 0, 1000)
        for copies in self.canary_copies or (0,):
            _require("packing.canary_copies", copies, 1, 1000)
        _require("packing.train_share", self.train_share, 0.001, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The network's shape."""

    num_layers: int = 8
    num_heads: int = 8
    width: int = 512
    context_tokens: int = 1024
    dropout: float = 0.0
    family: Literal["gpt2", "rnn"] = "gpt2"
    """`rnn` is the ladder's recurrent network with attention; it is trained and measured, never served."""
    pretrained: str = ""
    """A folder that transformers loads, or a name on the Hub, to go on from. Layers, heads, width and vocabulary are
    its own then; `context_tokens` and `dropout` are still this table's."""
    download: bool = False
    """Whether a name may be fetched from the Hub; without, it must be in this machine's Hub cache already."""

    def __post_init__(self) -> None:
        _require("model.num_layers", self.num_layers, 1, 256)
        _require("model.num_heads", self.num_heads, 1, 256)
        _require("model.width", self.width, 1, 65_536)
        _require("model.context_tokens", self.context_tokens, 16, 1_048_576)
        _require("model.dropout", self.dropout, 0.0, 0.9)
        if self.width % self.num_heads:
            nearest = max(self.num_heads, round(self.width / self.num_heads) * self.num_heads)
            raise RecipeError(
                f"model.width is {self.width}, which model.num_heads {self.num_heads} does not divide: choose {nearest}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptConfig:
    """The token budgets of the prompt, written into the bundle; what is left of the window is for the prefix."""

    suffix_tokens: int = 256
    neighbour_tokens: int = 0
    new_tokens: int = 128

    def __post_init__(self) -> None:
        _require("prompt.suffix_tokens", self.suffix_tokens, 0, None)
        _require("prompt.neighbour_tokens", self.neighbour_tokens, 0, None)
        _require("prompt.new_tokens", self.new_tokens, 1, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateConfig:
    """What the finished model is judged on."""

    max_bytes: int = 1_000_000
    """Held-out text that is scored; documents are drawn by their hash."""
    tasks: int = 200
    """Completions of each kind that are tried."""
    kinds: tuple[Kind, ...] = KINDS
    """Of completion task."""
    memorised: int = 0
    """Places in the training text, and as many in held-out text, at which it is seen whether the model repeats it."""

    def __post_init__(self) -> None:
        _require("evaluate.max_bytes", self.max_bytes, 1, None)
        _require("evaluate.tasks", self.tasks, 0, None)
        _require("evaluate.memorised", self.memorised, 0, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One run of the trainer, from text to bundle."""

    run: str
    """The run's name: it becomes the model's name."""
    seed: int = 0
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    packing: PackingConfig = field(default_factory=PackingConfig)
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    fit: FitConfig = field(default_factory=lambda: FitConfig(max_steps=1000))
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    tuning: TuningConfig = field(default_factory=TuningConfig)
    ladder: LadderConfig = field(default_factory=LadderConfig)

    def __post_init__(self) -> None:
        if not self.run or not self.run.replace("-", "").replace("_", "").replace(".", "").isalnum():
            raise RecipeError(f"run is {self.run!r}: name it with letters, digits, dots, dashes and underscores")
        _require("seed", self.seed, 0, 2**32 - 1)
        if self.packing.dtype == "uint16" and self.tokenizer.vocab_size > 2**16:
            raise RecipeError(
                f'packing.dtype is "uint16", which cannot hold tokenizer.vocab_size {self.tokenizer.vocab_size}: '
                'choose "auto" or "uint32"'
            )
        if self.model.pretrained and self.model.family == "rnn":
            raise RecipeError('model.family is "rnn", which model.pretrained cannot be: leave one of them out')
        if self.dataset.document_mask and (self.model.pretrained or self.model.family == "rnn"):
            raise RecipeError("dataset.document_mask is true, which only our own GPT-2 can do: set it to false")
        if self.tuning.replay_sources and self.dataset.mode == "stream":
            raise RecipeError('tuning.replay_sources need rows that are not streamed: set dataset.mode "packed"')
        if self.packing.train_share < 1 and (self.dataset.mode == "stream" or self.evaluate.memorised):
            raise RecipeError(
                f"packing.train_share is {self.packing.train_share:g}, but streamed rows and evaluate.memorised read "
                'all of the corpus: set dataset.mode "packed" and evaluate.memorised 0'
            )
        if self.fit.row_tokens > self.model.context_tokens:
            raise RecipeError(
                f"fit.row_tokens is {self.fit.row_tokens}, more than model.context_tokens {self.model.context_tokens}: "
                "lower the first or raise the second"
            )
        if self.dataset.stride > self.fit.row_tokens:
            raise RecipeError(
                f"dataset.stride is {self.dataset.stride}, more than fit.row_tokens {self.fit.row_tokens}: "
                "text between two rows would never be seen; lower it"
            )
        budget = self.prompt.suffix_tokens + self.prompt.neighbour_tokens + self.prompt.new_tokens
        if budget >= self.model.context_tokens:
            raise RecipeError(
                f"prompt budgets add up to {budget} of model.context_tokens {self.model.context_tokens}, "
                "which leaves no room for the prefix: lower them"
            )


def digest(*parts: object) -> str:
    """The sha256 of dataclasses and JSON values: two runs with the same digest of their inputs make the same output."""
    plain = [
        dataclasses.asdict(part) if dataclasses.is_dataclass(part) and not isinstance(part, type) else part
        for part in parts
    ]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
