"""From a recipe's shape to a network that can be trained. Knows neither data nor training.

What the loop asks of a network is `forward(ids_BT) -> logits_BTV`, and nothing else: any module that has it trains.
"""

from __future__ import annotations

from torch import nn

from lsp_server.model.gpt2 import GPT2, GPT2Config
from trainer.config import Recipe
from trainer.recurrent import RecurrentAttention, RecurrentConfig


def build_network(recipe: Recipe, vocab_size: int) -> nn.Module:
    """The network that the recipe trains, with its first weights drawn from torch's random state."""
    if recipe.model.pretrained:
        from trainer.tuning.network import build_tuned  # transformers is slow to load, and peft more so

        return build_tuned(recipe)
    if recipe.model.family == "rnn":
        return RecurrentAttention(_recurrent_config(recipe, vocab_size))
    return GPT2(network_config(recipe, vocab_size))


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


def _recurrent_config(recipe: Recipe, vocab_size: int) -> RecurrentConfig:
    shape = recipe.model
    return RecurrentConfig(
        vocab_size=vocab_size,
        context_tokens=shape.context_tokens,
        width=shape.width,
        num_layers=shape.num_layers,
        dropout=shape.dropout,
    )
