"""A recurrent language model with attention over its own past: the ladder's middle rung. Knows no data.

A GRU reads the text; each state then looks back over the states up to itself (Luong's "general" score) and the two
together say the next token. Attention over states comes from Bahdanau et al. 2015 (arXiv 1409.0473), the score and the
combined vector from Luong et al. 2015 (arXiv 1508.04025, sections 3 and 3.1). There a decoder attends to another text,
all of which is known. Here the text is its own past, as in Daniluk et al. 2017 (arXiv 1702.04521): it is causal because
a GRU's state holds nothing behind its place, and a mask hides the states behind it from each query.

Shape suffixes: B rows, T tokens, C width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

INIT_STD = 0.02
"""Of the embedding, as GPT-2 has it: it is the output layer too, and larger values start from a wrong certainty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecurrentConfig:
    """The network's shape."""

    vocab_size: int
    context_tokens: int
    """How far it is trained and scored; the network itself has no limit."""
    width: int
    num_layers: int = 1
    dropout: float = 0.0


class RecurrentAttention(nn.Module):
    """Token ids in, next-token logits out; the output layer is the token embedding, transposed."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.width)
        between = config.dropout if config.num_layers > 1 else 0.0
        self.gru = nn.GRU(config.width, config.width, config.num_layers, batch_first=True, dropout=between)
        self.score = nn.Linear(config.width, config.width, bias=False)
        self.combine = nn.Linear(2 * config.width, config.width)
        nn.init.normal_(self.wte.weight, std=INIT_STD)

    def forward(self, ids_BT: Tensor) -> Tensor:
        """Logits, BTV."""
        embedded_BTC = F.dropout(self.wte(ids_BT), self.config.dropout, self.training)
        states_BTC, _ = self.gru(embedded_BTC)
        queries_BTC = self.score(states_BTC)
        past_BTC = F.scaled_dot_product_attention(queries_BTC, states_BTC, states_BTC, is_causal=True)
        combined_BTC = torch.tanh(self.combine(torch.cat([past_BTC, states_BTC], dim=2)))
        return F.linear(F.dropout(combined_BTC, self.config.dropout, self.training), self.wte.weight)

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())
