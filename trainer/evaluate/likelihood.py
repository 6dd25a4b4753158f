"""How well a network predicts text: nats, bytes and hits, from left to right. Knows nothing of prompts or editors.

Shape suffixes: T tokens of a window, V vocabulary; 1 is the only row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from lsp_server.completion.window import Encoder
from lsp_server.model.gpt2 import GPT2
from lsp_server.model.hub_folder import HubModel
from lsp_server.model.opening import open_model
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.model.weights import load_gpt2


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


Predict = Callable[[Sequence[int], int], torch.Tensor]
"""From a window's token ids to the logits behind its last so many, TV."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """A model that text is scored by."""

    predict: Predict
    context_tokens: int
    tokenizer: Encoder
    first_id: int
    """What stands before a document."""

    def score(self, text: str) -> Likelihood:
        """Score one document; every token sees at least half a window of text before it, where there is that much."""
        ids = [self.first_id, *self.tokenizer.encode(text)]
        total = Likelihood(num_bytes=len(text.encode()))
        for start, end, num_scored in windows(len(ids), self.context_tokens):
            logits_TV = self.predict(ids[start : end - 1], num_scored)
            labels_T = torch.tensor(ids[end - num_scored : end], device=logits_TV.device)
            total += Likelihood(
                nats=F.cross_entropy(logits_TV, labels_T, reduction="sum").item(),
                num_tokens=num_scored,
                num_correct=int((logits_TV.argmax(dim=1) == labels_T).sum()),
            )
        return total


def open_scorer(folder: Path, device: str = "cpu") -> Scorer:
    """A bundle's model or one from the Hub, in fp32. Raises: BundleError; EngineError without transformers."""
    model = open_model(folder)
    if isinstance(model, HubModel):
        from lsp_server.model.hub_weights import load_network

        return Scorer(
            predict=_predict_with_hub(load_network(model, torch.device(device), torch.float32)),
            context_tokens=model.prompts.context_tokens,
            tokenizer=model.load_tokenizer(),
            first_id=model.first_id,
        )
    return scorer_of(load_gpt2(model, device), model.load_tokenizer())


def scorer_of(network: GPT2, tokenizer: CodeTokenizer) -> Scorer:
    """Our own network on torch."""
    return Scorer(
        predict=predict_with(network),
        context_tokens=network.config.context_tokens,
        tokenizer=tokenizer,
        first_id=tokenizer.end_of_text,
    )


def predict_with(network: GPT2) -> Predict:
    """The network on torch, on its own device."""

    @torch.no_grad()
    def predict(ids: Sequence[int], num_logits: int) -> torch.Tensor:
        ids_T = torch.tensor(ids, device=network.wte.weight.device)
        logits_TV: torch.Tensor = network(ids_T[None])[0, -num_logits:].float()
        return logits_TV

    return predict


def _predict_with_hub(network: Any) -> Predict:  # Any: transformers' model
    @torch.no_grad()
    def predict(ids: Sequence[int], num_logits: int) -> torch.Tensor:
        ids_1T = torch.tensor([list(ids)], device=network.device)
        logits_TV: torch.Tensor = network(input_ids=ids_1T, use_cache=False).logits[0, -num_logits:].float()
        return logits_TV

    return predict


def windows(num_ids: int, context_tokens: int) -> Iterator[tuple[int, int, int]]:
    """Start, end, and how many ids at the end are scored; each id but the first is scored once."""
    scored = 1
    while scored < num_ids:
        start = max(0, scored - context_tokens // 2)
        end = min(num_ids, start + context_tokens + 1)
        yield start, end, end - scored
        scored = end
