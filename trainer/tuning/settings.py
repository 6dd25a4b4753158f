"""The recipe's [tuning] table: how a pretrained model, named by `model.pretrained`, goes on learning. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lsp_server.errors import RecipeError
from trainer.limits import require

PROVENANCE = "provenance.json"
"""In a tuned model's transformers folder: what a bundle of ours has in its manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningConfig:
    """What of the pretrained model learns, and what keeps it from forgetting."""

    method: Literal["full", "lora", "blocks"] = "full"
    """`lora`: low-rank adapters, and the rows of the added sentinels in full; everything else stays as it was.
    It learns less on code than `full`, and forgets less (arXiv 2405.09673). `blocks`: the last blocks and the
    norm behind them, in full, with the table of tokens as it was; only of a network like ours."""
    last_blocks: int = 3
    """How many learn by the method `blocks`."""
    rank: int = 16
    alpha: float = 32.0
    """The adapters' product is scaled by alpha / rank."""
    dropout: float = 0.0
    """Of the adapters' input; `model.dropout` is the network's own."""
    targets: tuple[str, ...] = ()
    """Names of the layers that get adapters, such as `c_attn` or `q_proj`; empty means all in the blocks."""
    replay_sources: tuple[str, ...] = ()
    """More of what the base model was trained on, written like `corpus.sources`, against forgetting."""
    replay_share: float = 0.1
    """Share of the rows that come from there; 5 to 25 % is the usual band (arXiv 2403.08763)."""
    interpolation: float = 1.0
    """Of the exported weights, the share of the tuned ones; the rest is the base model's. 1 is the tuned model alone.
    A little less often keeps more of the base's abilities for almost nothing (WiSE-FT, arXiv 2109.01903)."""

    def __post_init__(self) -> None:
        require("tuning.rank", self.rank, 1, 4096)
        require("tuning.last_blocks", self.last_blocks, 1, 1000)
        require("tuning.alpha", self.alpha, 1e-6, 1e6)
        require("tuning.dropout", self.dropout, 0.0, 0.9)
        require("tuning.replay_share", self.replay_share, 0.0, 0.9)
        require("tuning.interpolation", self.interpolation, 0.0, 1.0)
        for target in self.targets:
            if not target.strip():
                raise RecipeError(
                    'tuning.targets holds an empty name: name layers, such as ["c_attn"], or leave it out'
                )
