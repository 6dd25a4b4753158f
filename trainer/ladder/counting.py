"""Language models that only count: a bigram with add-one smoothing, and n-grams that back off. `trainer.ngrams` counts,
for them as for the engine's drafts.

Shape suffixes: N places that are scored, K tokens of context, C contexts, G different grams, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from trainer.ngrams import GramCounts, Ids, context_numbers, count_grams

Floats = npt.NDArray[np.float64]
NOTHING = -1
"""Stands before a document's first token."""
DISCOUNT_WITHOUT_RARE_GRAMS = 0.5
"""Where no gram was seen once, the estimate of the discount has nothing to go by."""


class CountedModel(Protocol):
    """Text in, the probability of each of its tokens out."""

    @property
    def order(self) -> int:
        """Tokens of context."""
        ...

    @property
    def vocab_size(self) -> int: ...

    @property
    def num_counts(self) -> int:
        """Numbers that the model has to keep: what parameters are to a network."""
        ...

    def probabilities(self, contexts_NK: Ids, next_ids_N: Ids) -> Floats:
        """Of each token behind its context, whose nearest token stands last; `NOTHING` is where there is none."""
        ...


def document_nats(model: CountedModel, ids: Ids) -> float:
    """What a document costs, in nats; its first id, `<|endoftext|>`, is given."""
    return float(-np.log(model.probabilities(contexts_of(ids, model.order), ids[1:])).sum())


def contexts_of(ids: Ids, order: int) -> Ids:
    """The context of each id but the first, NK."""
    padded = np.concatenate([np.full(order - 1, NOTHING), ids[:-1]])
    return np.lib.stride_tricks.sliding_window_view(padded, order)


def distribution(model: CountedModel, context: Sequence[int]) -> Floats:
    """The probability of every token behind one context, V."""
    padded = [NOTHING] * model.order + list(context)
    contexts_NK = np.tile(np.asarray(padded[-model.order :], dtype=np.int64), (model.vocab_size, 1))
    return model.probabilities(contexts_NK, np.arange(model.vocab_size))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Lookup:
    """Finds counts in a matrix that is nearly empty."""

    counts: GramCounts
    totals_C: Ids
    numbers_G: Ids
    """Each gram as row * V + token: ascending, and never too large for an int64."""

    @classmethod
    def of(cls, counts: GramCounts) -> _Lookup:
        numbers_G = counts.rows_G * counts.vocab_size + counts.next_ids_G
        return cls(counts=counts, totals_C=counts.totals_C, numbers_G=numbers_G)

    def rows(self, contexts_N: Ids) -> tuple[Ids, npt.NDArray[np.bool_]]:
        """Each context's row, and whether it has one."""
        return _find(self.counts.contexts_C, contexts_N)

    def count(self, rows_N: Ids, next_ids_N: Ids) -> Ids:
        """How often the token came behind the context of that row."""
        places_N, found_N = _find(self.numbers_G, rows_N * self.counts.vocab_size + next_ids_N)
        return np.where(found_N, self.counts.counts_G[places_N], 0)


def _find(sorted_values: Ids, wanted_N: Ids) -> tuple[Ids, npt.NDArray[np.bool_]]:
    places_N = np.minimum(np.searchsorted(sorted_values, wanted_N), len(sorted_values) - 1)
    return places_N, sorted_values[places_N] == wanted_N


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AddOneBigram:
    """(count of the pair + 1) / (count of the first + V). Laplace's rule of succession."""

    pairs: _Lookup
    order: int = 1

    @classmethod
    def count(cls, ids: Ids, vocab_size: int) -> AddOneBigram:
        """From packed ids: documents with an `<|endoftext|>` behind each, which is also what the next begins behind."""
        return cls(pairs=_Lookup.of(count_grams(ids[:-1], ids[1:], vocab_size)))

    @property
    def vocab_size(self) -> int:
        return self.pairs.counts.vocab_size

    @property
    def num_counts(self) -> int:
        return len(self.pairs.counts.counts_G)

    def probabilities(self, contexts_NK: Ids, next_ids_N: Ids) -> Floats:
        rows_N, found_N = self.pairs.rows(contexts_NK[:, -1])
        totals_N = np.where(found_N, self.pairs.totals_C[rows_N], 0)
        counts_N = np.where(found_N, self.pairs.count(rows_N, next_ids_N), 0)
        shares_N: Floats = (counts_N + 1) / (totals_N + self.vocab_size)
        return shares_N


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Level:
    """What one length of context says, and how much it leaves to the shorter one."""

    lookup: _Lookup
    discount: float
    shares_C: Floats
    """Of each context's probability, what is left to the shorter context."""

    @classmethod
    def of(cls, counts: GramCounts) -> _Level:
        once, twice = (int((counts.counts_G == times).sum()) for times in (1, 2))
        discount = once / (once + 2 * twice) if once else DISCOUNT_WITHOUT_RARE_GRAMS
        lookup = _Lookup.of(counts)
        shares_C = discount * np.diff(counts.starts_C1) / lookup.totals_C
        return cls(lookup=lookup, discount=discount, shares_C=shares_C)

    def refine(self, shorter_N: Floats, contexts_N: Ids, is_whole_N: npt.NDArray[np.bool_], next_ids_N: Ids) -> Floats:
        """The shorter context's probabilities, corrected wherever this longer one was seen."""
        rows_N, found_N = self.lookup.rows(contexts_N)
        counts_N = self.lookup.count(rows_N, next_ids_N)
        seen_N = np.maximum(counts_N - self.discount, 0) / self.lookup.totals_C[rows_N]
        return np.where(found_N & is_whole_N, seen_N + self.shares_C[rows_N] * shorter_N, shorter_N)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BackOff:
    """Interpolated Kneser-Ney with one discount a level; below a single token's context, a uniform distribution.

    A context gives `discount` of every count to the next shorter context, which is asked in how many different contexts
    a token appeared rather than how often. Sources: Kneser and Ney 1995; Chen and Goodman 1998 (TR-10-98), section 2.7;
    the discount from Ney, Essen and Kneser 1994.
    """

    vocab_size: int
    levels: tuple[_Level, ...]
    """The shortest context first, which is none."""

    @classmethod
    def count(cls, ids: Ids, vocab_size: int, *, order: int, end_of_text: int) -> BackOff:
        """From packed ids; `order` is lowered where the numbers of the contexts would not fit 64 bits."""
        while vocab_size**order >= np.iinfo(np.int64).max:
            order -= 1
        is_end = ids == end_of_text
        while order > 1 and not _is_whole(is_end, order).any():
            order -= 1  # no document is as long
        found = [_count_whole(ids, is_end, order, vocab_size)]
        for shorter in range(order - 1, -1, -1):
            found.append(_count_continuations(found[-1], ids, is_end, shorter))
        return cls(vocab_size=vocab_size, levels=tuple(_Level.of(each) for each in reversed(found)))

    @property
    def order(self) -> int:
        return len(self.levels) - 1

    @property
    def num_counts(self) -> int:
        return sum(len(level.lookup.counts.counts_G) for level in self.levels)

    def probabilities(self, contexts_NK: Ids, next_ids_N: Ids) -> Floats:
        values_N = np.full(len(next_ids_N), 1 / self.vocab_size)
        numbers_N = np.zeros(len(next_ids_N), np.int64)
        is_whole_N = np.ones(len(next_ids_N), np.bool_)
        for length, level in enumerate(self.levels):
            if length:
                tokens_N = contexts_NK[:, -length]
                is_whole_N = is_whole_N & (tokens_N != NOTHING)
                numbers_N = numbers_N + tokens_N * self.vocab_size ** (length - 1)
            values_N = level.refine(values_N, numbers_N, is_whole_N, next_ids_N)
        return values_N


def _count_whole(ids: Ids, is_end: npt.NDArray[np.bool_], order: int, vocab_size: int) -> GramCounts:
    """Grams within a document; the `<|endoftext|>` before it may stand first in a context, and nowhere else in it."""
    whole = _is_whole(is_end, order)
    return count_grams(context_numbers(ids[:-1], order, vocab_size)[whole], ids[order:][whole], vocab_size)


def _is_whole(is_end: npt.NDArray[np.bool_], order: int) -> npt.NDArray[np.bool_]:
    num = max(0, len(is_end) - order)
    whole = np.ones(num, np.bool_)
    for place in range(1, order):
        whole &= ~is_end[place : place + num]
    return whole


def _count_continuations(longer: GramCounts, ids: Ids, is_end: npt.NDArray[np.bool_], order: int) -> GramCounts:
    """For a shorter context, in how many longer ones each token came; at a document's start, how often it came."""
    vocab_size = longer.vocab_size
    contexts = longer.contexts_C[longer.rows_G] % vocab_size**order
    starts = _is_whole(is_end, order) & is_end[: max(0, len(ids) - order)] if order else np.zeros(len(ids), np.bool_)
    at_start = context_numbers(ids[:-1], order, vocab_size)[starts] if order else np.zeros(0, np.int64)
    return count_grams(
        np.concatenate([contexts, at_start]),
        np.concatenate([longer.next_ids_G, ids[order:][starts]]),
        vocab_size,
    )
