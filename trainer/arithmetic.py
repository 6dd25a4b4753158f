"""A GPT-2's sums on paper: its parameters, and the operations of training it. Knows no torch.

Source of the operations: 6 N + 12 L d T a token, PaLM, arXiv 2204.02311, appendix B.
"""

from __future__ import annotations


def gpt2_parameters(*, num_layers: int, width: int, vocab_size: int, context_tokens: int) -> int:
    """With tied embeddings; biases and norms included."""
    tables = (vocab_size + context_tokens) * width
    return tables + num_layers * (12 * width**2 + 13 * width) + 2 * width


def training_flops_per_token(*, num_parameters: int, num_layers: int, width: int, row_tokens: int) -> int:
    """Forward and backward, attention in full."""
    return 6 * num_parameters + 12 * num_layers * width * row_tokens
