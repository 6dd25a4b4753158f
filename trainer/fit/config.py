"""The recipe's [fit] table: how long, how fast and how carefully the model learns. Must never import torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lsp_server.errors import RecipeError
from trainer.limits import require

LENGTH_WARMUP_PARTS = 4
"""Length warm-up begins with quarters of rows, and goes on with halves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """How long and how fast the model learns."""

    batch_rows: int = 8
    """Rows of one forward pass on one device."""
    accumulate: int = 1
    """Forward passes for one optimizer step."""
    row_tokens: int = 512
    max_steps: int = 0
    """Optimizer steps; 0 leaves the end to the other limits."""
    max_tokens: int = 0
    """Tokens seen, repeats included; 0 leaves the end to the other limits."""
    minutes: float = 0.0
    """Time budget; 0 leaves the end to the other limits. With several limits, whichever comes first."""
    learning_rate: float = 1e-3
    optimizer: Literal["adamw", "muon"] = "adamw"
    schedule: Literal["linear", "cosine", "wsd"] = "wsd"
    """`wsd`: warm up, stay, decay linearly over the last `decay_share`."""
    warmup_share: float = 0.03
    decay_share: float = 0.5
    batch_warmup_share: float = 0.0
    """Share of the run over which the rows of a step grow from an eighth to all; 0 begins with all."""
    length_warmup_share: float = 0.0
    """Share of the run over which rows are cut into quarters, then halves; 0 begins with whole rows."""
    weight_decay: float = 0.1
    betas: tuple[float, ...] = (0.9, 0.95)
    clip_norm: float = 1.0
    """0 does not clip."""
    spike_nats: float = 1.0
    """The run stops when its loss stays this much above its lowest smoothed loss; 0 lets it go on."""
    ema_decay: float = 0.0
    """Weight of the past in the running mean of the weights; 0 keeps none."""
    ema_from: float = 0.5
    """Share of the run after which that mean begins."""
    export: Literal["last", "best", "average"] = "last"
    """Which weights become the bundle: the last, those of the lowest held-out loss, or the running mean."""
    fim_rate: float = 0.5
    """Share of the documents that is rearranged for filling in the middle."""
    spm_share: float = 0.5
    """Of those, the share in suffix-first order; joint training beats either (arXiv 2207.14255)."""
    checkpoint_minutes: float = 10.0
    checkpoint_steps: int = 0
    """0 leaves checkpoints to `checkpoint_minutes`."""
    keep: int = 2
    """Last checkpoints that are kept; the best one is kept besides."""
    eval_steps: int = 500
    """Steps between two looks at the held-out loss; 0 looks at the end only."""
    patience: int = 0
    """Looks without a new best after which the run ends; 0 goes on to the end. The best is what to export then."""
    eval_rows: int = 64
    """Rows of held-out text for each look; the whole held-out set is `parrotlet-train evaluate`'s."""
    samples: int = 4
    """Completions that are written out at each look."""
    log_steps: int = 10
    """Steps between two entries of the curves on a GPU, which is waited for only then; a CPU enters every step."""
    trackers: tuple[Literal["tensorboard", "wandb"], ...] = ("tensorboard",)
    """Where the curves go besides `curves.jsonl`. `wandb` stays offline unless WANDB_MODE says otherwise."""
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    compile: bool = False
    """torch.compile: faster steps after a slow first one; needs a C++ compiler, or Triton on a GPU."""
    recompute: bool = False
    """Activation checkpointing: less memory, a third more arithmetic."""
    threads: int = 0
    """Torch's threads on a CPU; 0 leaves torch's choice."""

    def __post_init__(self) -> None:
        self._check_ranges()
        if not (self.max_steps or self.max_tokens or self.minutes):
            raise RecipeError(
                "fit.max_steps, fit.max_tokens and fit.minutes are all 0: give the run an end by setting one of them"
            )
        if self.patience and not self.eval_steps:
            raise RecipeError(f"fit.patience is {self.patience}, but fit.eval_steps is 0: set it, such as to 100")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise RecipeError(
                f"fit.betas is {list(self.betas)}: give two values from 0 to below 1, such as [0.9, 0.95]"
            )
        if self.warmup_share + self.decay_share > 1:
            total = self.warmup_share + self.decay_share
            raise RecipeError(f"fit.warmup_share and fit.decay_share add up to {total:g}: keep their sum at most 1")
        if self.length_warmup_share and self.row_tokens % LENGTH_WARMUP_PARTS:
            raise RecipeError(
                f"fit.row_tokens is {self.row_tokens}, which fit.length_warmup_share cannot cut into "
                f"{LENGTH_WARMUP_PARTS}: choose a multiple of {LENGTH_WARMUP_PARTS}"
            )
        if self.export == "average" and not self.ema_decay:
            raise RecipeError('fit.export is "average", but fit.ema_decay is 0: set it, such as to 0.999')

    def _check_ranges(self) -> None:
        for name in ("batch_rows", "accumulate"):
            require(f"fit.{name}", getattr(self, name), 1, 65_536)
        require("fit.row_tokens", self.row_tokens, 16, 1_048_576)
        for name in ("max_steps", "max_tokens", "minutes", "checkpoint_minutes", "checkpoint_steps", "eval_steps"):
            require(f"fit.{name}", getattr(self, name), 0, None)
        for name in ("patience", "threads", "samples", "clip_norm", "spike_nats"):
            require(f"fit.{name}", getattr(self, name), 0, None)
        for name in ("keep", "eval_rows", "log_steps"):
            require(f"fit.{name}", getattr(self, name), 1, None)
        for name in ("warmup_share", "decay_share", "batch_warmup_share", "length_warmup_share", "ema_from"):
            require(f"fit.{name}", getattr(self, name), 0.0, 1.0)
        for name in ("fim_rate", "spm_share"):
            require(f"fit.{name}", getattr(self, name), 0.0, 1.0)
        require("fit.ema_decay", self.ema_decay, 0.0, 0.999999)
        require("fit.learning_rate", self.learning_rate, 1e-9, 10.0)
        require("fit.weight_decay", self.weight_decay, 0.0, 10.0)
