"""The recipe's [ladder] table. Must never import torch."""

from __future__ import annotations

from dataclasses import dataclass

from lsp_server.errors import RecipeError
from trainer.limits import require


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderConfig:
    """Which models are compared, and how long those that learn may take. Shape and pace are [model]'s and [fit]'s."""

    ngram_tokens: int = 3
    """Tokens of context of the n-gram that backs off, besides the bigram; the engine's drafts have as many."""
    recurrent_layers: int = 1
    """Of the recurrent network; 0 leaves it out."""
    recurrent_learning_rate: float = 3e-3
    """It learns with AdamW, whatever `fit.optimizer` is."""
    depths: tuple[int, ...] = (1, 2, 4)
    """Layers of each GPT-2."""
    minutes: float = 0.0
    """Training time of all networks together, in equal parts; 0 leaves the end of each to `fit`."""

    def __post_init__(self) -> None:
        require("ladder.ngram_tokens", self.ngram_tokens, 1, 8)
        require("ladder.recurrent_layers", self.recurrent_layers, 0, 64)
        require("ladder.recurrent_learning_rate", self.recurrent_learning_rate, 1e-9, 10.0)
        require("ladder.minutes", self.minutes, 0, None)
        for depth in self.depths:
            require("ladder.depths", depth, 1, 256)
        if len(set(self.depths)) != len(self.depths):
            raise RecipeError(f"ladder.depths is {list(self.depths)}: name each depth once, such as [1, 2, 4]")
