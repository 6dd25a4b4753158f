"""From a recipe's shape to the network's. Knows neither data nor training."""

from __future__ import annotations

from lsp_server.model.gpt2 import GPT2Config
from trainer.config import Recipe


def network_config(recipe: Recipe, vocab_size: int) -> GPT2Config:
    """The GPT-2 that the recipe asks for, with the vocabulary its tokenizer came to."""
    shape = recipe.model
    return GPT2Config(
        vocab_size=vocab_size,
        context_tokens=shape.context_tokens,
        width=shape.width,
        num_layers=shape.num_layers,
        num_heads=shape.num_heads,
        dropout=shape.dropout,
    )
