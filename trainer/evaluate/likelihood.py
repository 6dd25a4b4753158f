"""How well a network predicts text: nats, bytes and hits, from left to right. Knows nothing of prompts or editors.

Shape suffixes: T tokens of a window, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

import torch
from torch.nn import functional as F

from lsp_server.model.gpt2 import GPT2
from lsp_server.model.tokenizer import CodeTokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """Sums over text, so that parts can be added."""

    nats: float = 0.0
    num_bytes: int = 0
    num_tokens: int = 0
    num_correct: int = 0
    """Tokens that were the likeliest one."""

    def __add__(self, other: Likelihood) -> Likelihood:
        return Likelihood(
            nats=self.nats + other.nats,
            num_bytes=self.num_bytes + other.num_bytes,
            num_tokens=self.num_tokens + other.num_tokens,
            num_correct=self.num_correct + other.num_correct,
        )

    @property
    def bits_per_byte(self) -> float:
        return self.nats / log(2) / self.num_bytes

    @property
    def accuracy(self) -> float:
        return self.num_correct / self.num_tokens


@torch.no_grad()
def score(network: GPT2, tokenizer: CodeTokenizer, text: str) -> Likelihood:
    """Score one document; every token sees at least half a window of text before it, where there is that much."""
    ids = [tokenizer.end_of_text, *tokenizer.encode(text)]
    total = Likelihood(num_bytes=len(text.encode()))
    for start, end, num_scored in _windows(len(ids), network.config.context_tokens):
        ids_T = torch.tensor(ids[start:end], device=network.wte.weight.device)
        logits_TV = network(ids_T[None, :-1])[0, -num_scored:].float()
        labels_T = ids_T[-num_scored:]
        total += Likelihood(
            nats=F.cross_entropy(logits_TV, labels_T, reduction="sum").item(),
            num_tokens=num_scored,
            num_correct=int((logits_TV.argmax(dim=1) == labels_T).sum()),
        )
    return total


def _windows(num_ids: int, context_tokens: int) -> Iterator[tuple[int, int, int]]:
    """Start, end, and how many ids at the end are scored; each id but the first is scored once."""
    scored = 1
    while scored < num_ids:
        start = max(0, scored - context_tokens // 2)
        end = min(num_ids, start + context_tokens + 1)
        yield start, end, end - scored
        scored = end
