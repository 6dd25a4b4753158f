"""Token healing: how likely each way is to spell the text that an answer must begin with, exactly over bytes.

A prompt that ends inside a word ends in tokens that training never shows before that word's rest. So the last piece
of text is left out of the prompt, and asked for again: an answer has to begin with it. A tokenizer spells a text in one
way only, so a spelling of more than that piece is the tokens of some head of it, and one token that covers the rest:

    P(ids) = P(tokens of the head) P(last token | them),     over all heads, the empty one first

Source: exact byte-level probabilities from the covers of a text (Phan et al. 2024, arXiv 2410.09303). Heads whose
first token has less than `LEAST_SHARE` of the likeliest spelling's probability are left out, which changes the sum by
less than that. Heads end between two characters: where tokens spell one in halves, the text is spelt as it stands.

Shape suffixes: N tokens whose logits are wanted, V vocabulary, K spellings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lsp_server.model.spelling import Spellings

LEAST_SHARE = 0.01
MOST_HEADS = 4
"""Read in one pass, the likeliest ones: each costs a row of it."""

Predict = Callable[[Tensor, Sequence[int]], Tensor]
"""Log-probabilities V from logits V, behind so many tokens of an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Openings:
    """Ways to begin an answer, K of them."""

    logprobs: Tensor
    """K of them."""
    heads: Sequence[tuple[int, ...]]
    """Tokens of the head, for each K."""
    last_ids: Sequence[int]
    """The token that covers the rest, for each K."""


@dataclass(frozen=True, slots=True)
class _Head:
    ids: tuple[int, ...]
    last_ids: list[int]


class Healer:
    """Of one tokenizer."""

    def __init__(self, spellings: Spellings, encode: Callable[[str], list[int]]) -> None:
        self._spellings = spellings
        self._encode = encode

    def spell(
        self, text: str, predict: Predict, logits_V: Tensor
    ) -> Generator[list[tuple[int, ...]], list[Tensor], Openings]:
        """Yields heads that it wants read behind the prompt, for the logits NV of all their tokens; once at most.

        A text that no token covers is spelt as the tokenizer does.
        """
        root_V = predict(logits_V, ())
        whole = _Head((), self._spellings.beginning_with(text.encode()))
        heads = self._likely_heads(text, root_V, _best(root_V, whole.last_ids))
        logits = (yield [head.ids for head in heads]) if heads else []
        parts = [root_V[whole.last_ids]]
        for head, logits_NV in zip(heads, logits, strict=True):
            parts.append(_logprobs(head, predict, root_V, logits_NV))
        spelt = [(head.ids, last_id) for head in (whole, *heads) for last_id in head.last_ids]
        if not spelt:
            *ids, last_id = self._encode(text)
            parts, spelt = [root_V.new_zeros(1)], [(tuple(ids), last_id)]
        return Openings(
            logprobs=torch.cat(parts), heads=[ids for ids, _ in spelt], last_ids=[last_id for _, last_id in spelt]
        )

    def _likely_heads(self, text: str, root_V: Tensor, best: float) -> list[_Head]:
        """Heads but the empty one, with the tokens that cover the rest. A head is no likelier than its first token."""
        spelt = [self._spellings.spelt(text[:at].encode()) for at in range(1, len(text))]
        firsts = [first for first in spelt if first is not None]
        least = best + math.log(LEAST_SHARE)
        bounds = {first: bound for first, bound in zip(firsts, root_V[firsts].tolist(), strict=True) if bound >= least}
        if not bounds:
            return []
        splits = ((tuple(self._encode(text[:at])), text[at:].encode()) for at in range(1, len(text)))
        heads = [_Head(ids, self._spellings.beginning_with(rest)) for ids, rest in splits if ids[0] in bounds]
        heads.sort(key=lambda head: -bounds[head.ids[0]])
        return [head for head in heads if head.last_ids][:MOST_HEADS]


def _logprobs(head: _Head, predict: Predict, root_V: Tensor, logits_NV: Tensor) -> Tensor:
    """Of the head with each token that may be its last one."""
    logprob = root_V[head.ids[0]]
    for place in range(1, len(head.ids)):
        logprob = logprob + predict(logits_NV[place - 1], head.ids[:place])[head.ids[place]]
    return logprob + predict(logits_NV[-1], head.ids)[head.last_ids]


def _best(logprobs_V: Tensor, ids: list[int]) -> float:
    return float(logprobs_V[ids].max()) if ids else -math.inf
