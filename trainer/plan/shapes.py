"""The sizes a plan chooses from, and the vocabulary that goes with an amount of text. Knows no torch."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.arithmetic import gpt2_parameters
from trainer.config import ModelConfig

LONG_CONTEXT_FROM_WIDTH = 512
"""Wider networks get 1,024 positions, narrower ones 512: attention would take too much of their time."""
VOCABULARIES = ((4_000_000, 4096), (200_000_000, 8192), (2_000_000_000, 16_384))
"""Up to so many bytes of text, so large a vocabulary; our choice, after the embedded model's 8,192 for 62 MB."""
LARGEST_VOCABULARY = 32_768
"""CodeParrot's."""
BYTES_PER_TOKEN = {4096: 3.1, 8192: 3.55, 16_384: 3.8, 32_768: 4.0}
"""Of Python, where no tokenizer has been trained yet. Measured at 8,192 on 106 MB; the others are estimates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A network that can be chosen."""

    model: ModelConfig
    vocab_size: int

    @property
    def num_parameters(self) -> int:
        model = self.model
        return gpt2_parameters(
            num_layers=model.num_layers,
            width=model.width,
            vocab_size=self.vocab_size,
            context_tokens=model.context_tokens,
        )


def vocabulary_for(num_bytes: int) -> int:
    return next((size for limit, size in VOCABULARIES if num_bytes <= limit), LARGEST_VOCABULARY)


def sizes(vocab_size: int) -> list[Size]:
    """From the smallest to the largest: 4 layers of 192 to GPT-2 medium."""
    shapes = (
        (4, 3, 192),
        (6, 4, 256),
        (6, 5, 320),
        (6, 6, 384),
        (8, 8, 512),
        (12, 9, 576),
        (12, 12, 768),
        (24, 16, 1024),
    )
    return [
        Size(
            model=ModelConfig(
                num_layers=layers,
                num_heads=heads,
                width=width,
                context_tokens=1024 if width >= LONG_CONTEXT_FROM_WIDTH else 512,
            ),
            vocab_size=vocab_size,
        )
        for layers, heads, width in shapes
    ]
