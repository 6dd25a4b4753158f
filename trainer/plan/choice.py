"""Choosing: the size whose expected loss is lowest after the tokens it can see in time, and the recipe around it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from tqdm import tqdm

from lsp_server.errors import CorpusError
from trainer.config import PromptConfig, Recipe
from trainer.fit.config import FitConfig
from trainer.limits import require
from trainer.plan.laws import USEFUL_EPOCHS, effective_tokens, expected_loss
from trainer.plan.shapes import BYTES_PER_TOKEN, Size, sizes, vocabulary_for

SMALLEST_TEXT_BYTES = 200_000
"""Less has too few tokens for any size to learn more than its words."""
WANTED_STEPS = 3000
"""The embedded model's run came to its figures in about as many; a larger batch would leave fewer."""
LARGEST_BATCH_TOKENS = 262_144
"""nanochat's batch for 42 million parameters."""
EPOCHS_WITHOUT_DROPOUT = 4.0
"""Up to four epochs repeats are almost as good as unseen text (arXiv 2305.16264); beyond, 0.1 is dropped out, as in the
runs behind that law."""
DROPOUT = 0.1
DECAY_OF_REPEATS = 0.3
"""Weight decay beyond four epochs. Source: arXiv 2509.14786 finds far more than 0.1 best when text is repeated."""
NUM_LOOKS, LOOKS_SHARE = 10, 0.03
"""Looks at the held-out loss, and the share of the time for them: a token looked at costs a third of one learnt."""
MUON_RATE, MUON_RATE_OF_WIDE = 6e-3, 3e-3
"""The first was measured (recipes/embedded-cpu.toml), the second, from width 512 on, is a guess."""

Probe = Callable[[Size, FitConfig], float]
"""Tokens a second that a size learns from, in batches of the given [fit]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """How much there is to train on."""

    num_bytes: int
    num_tokens: int | None = None
    """Known once it is packed."""
    vocab_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What one size should come to."""

    size: Size
    tokens_per_second: float
    unique_tokens: float
    seen_tokens: float

    @property
    def epochs(self) -> float:
        return self.seen_tokens / self.unique_tokens

    @property
    def worth_tokens(self) -> float:
        return effective_tokens(self.unique_tokens, self.seen_tokens)

    @property
    def loss(self) -> float:
        return expected_loss(self.size.num_parameters, self.unique_tokens, self.seen_tokens)

    @property
    def minutes(self) -> float:
        return self.seen_tokens / self.tokens_per_second / 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The sizes that were tried, the one that was chosen, and its recipe."""

    minutes: float
    text: Text
    tried: tuple[Outlook, ...]
    chosen: Outlook
    recipe: Recipe


def make_plan(base: Recipe, text: Text, minutes: float, probe: Probe, *, on_gpu: bool) -> Plan:
    """Try sizes from the smallest up, until the expected loss rises.

    Raises: CorpusError when there is too little text; RecipeError for an impossible time.
    """
    require("--minutes", minutes, 0.1, 60 * 24 * 30)
    if text.num_bytes < SMALLEST_TEXT_BYTES:
        raise CorpusError(
            f"the corpus has {text.num_bytes:,} bytes to train on, too few to train a model from nothing: "
            f"add sources until there are {SMALLEST_TEXT_BYTES:,}, better 10 MB, or fine-tune a model instead"
        )
    vocab_size = text.vocab_size or vocabulary_for(text.num_bytes)
    unique = text.num_tokens or text.num_bytes / BYTES_PER_TOKEN[vocab_size]
    tried: list[Outlook] = []
    for size in tqdm(sizes(vocab_size), desc="measuring sizes", unit="size", delay=2):
        rate = probe(size, _first_batches(size, minutes, on_gpu))
        seen = min(rate * 60 * minutes, USEFUL_EPOCHS * unique)
        tried.append(Outlook(size=size, tokens_per_second=rate, unique_tokens=unique, seen_tokens=seen))
        if len(tried) > 1 and tried[-1].loss > tried[-2].loss:
            break
    chosen = min(tried, key=lambda outlook: outlook.loss)
    recipe = _recipe(base, chosen, minutes, on_gpu)
    return Plan(minutes=minutes, text=text, tried=tuple(tried), chosen=chosen, recipe=recipe)


def _first_batches(size: Size, minutes: float, on_gpu: bool) -> FitConfig:
    """What is measured: Muon, rows as they will be, a few at once."""
    return FitConfig(
        batch_rows=32 if on_gpu else 4,
        row_tokens=size.model.context_tokens,
        minutes=minutes,
        optimizer="muon",
        trackers=(),
    )


def _recipe(base: Recipe, chosen: Outlook, minutes: float, on_gpu: bool) -> Recipe:
    model = chosen.size.model
    repeats = chosen.epochs > EPOCHS_WITHOUT_DROPOUT
    return replace(
        base,
        tokenizer=replace(base.tokenizer, vocab_size=chosen.size.vocab_size),
        model=replace(model, dropout=DROPOUT if repeats else 0.0),
        prompt=PromptConfig(suffix_tokens=model.context_tokens * 3 // 16, new_tokens=96),
        fit=_fit(base.fit, chosen, minutes, on_gpu, repeats),
    )


def _fit(base: FitConfig, chosen: Outlook, minutes: float, on_gpu: bool, repeats: bool) -> FitConfig:
    """The base keeps what the plan says nothing of: filling in the middle, what is kept and told, the export."""
    row_tokens = chosen.size.model.context_tokens
    rows = max(8, _power_of_two(min(chosen.seen_tokens / WANTED_STEPS, LARGEST_BATCH_TOKENS) / row_tokens))
    at_once = min(rows, 64 if on_gpu else 8)
    ends_early = chosen.minutes < 0.99 * minutes
    num_steps = max(1, int(chosen.seen_tokens / (rows * row_tokens)))
    return replace(
        base,
        batch_rows=at_once,
        accumulate=rows // at_once,
        row_tokens=row_tokens,
        minutes=minutes,
        max_steps=0,
        max_tokens=int(chosen.seen_tokens) if ends_early else 0,
        optimizer="muon",
        learning_rate=MUON_RATE if chosen.size.model.width < 512 else MUON_RATE_OF_WIDE,
        schedule="wsd",
        warmup_share=0.03,
        decay_share=0.5,
        weight_decay=DECAY_OF_REPEATS if repeats else 0.1,
        checkpoint_minutes=min(10.0, max(1.0, minutes / 5)),
        checkpoint_steps=0,
        eval_steps=max(1, num_steps // NUM_LOOKS),
        eval_rows=max(4, min(base.eval_rows, int(LOOKS_SHARE * 3 * chosen.seen_tokens / row_tokens / NUM_LOOKS))),
        export="best" if repeats else base.export,
    )


def _power_of_two(value: float) -> int:
    """The largest below, at least 1."""
    return 1 << max(0, math.floor(math.log2(max(value, 1))))
