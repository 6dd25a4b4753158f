"""Counts which tokens follow which: the engine's draft table, and the ladder's bigrams. Reads packed tokens; knows no
network.

Shape suffixes: N places of a text, C contexts, G different grams; a gram is a context with the token behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from lsp_server.model.ngrams import ORDERS, NgramTable, context_key
from trainer.packing import TokenStream

MAX_TOKENS = 50_000_000
"""Read of the corpus; more costs memory, 8 bytes a token, and changes little."""
LEAST_COUNT = 6
LEAST_SHARE = 0.5
"""A rarer or less certain context proposes a wrong token too often to pay."""
MAX_ENTRIES = 150_000
"""About 2 MB in the bundle."""
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GramCounts:
    """How often each token came behind each context: a sparse matrix in compressed rows, a row a context."""

    vocab_size: int
    contexts_C: Ids
    """Ascending, see `context_numbers`."""
    starts_C1: Ids
    """Where each context's grams begin, and the number of all."""
    next_ids_G: Ids
    """Ascending within a context."""
    counts_G: Ids

    @property
    def rows_G(self) -> Ids:
        """Each gram's context, as its place in `contexts_C`."""
        return np.repeat(np.arange(len(self.contexts_C)), np.diff(self.starts_C1))

    @property
    def totals_C(self) -> Ids:
        sums: Ids = np.concatenate([[0], np.cumsum(self.counts_G)])
        totals_C: Ids = sums[self.starts_C1[1:]] - sums[self.starts_C1[:-1]]
        return totals_C


def context_numbers(ids: Ids, order: int, vocab_size: int) -> Ids:
    """The `order` ids behind each place as one number, the last place being the last that has as many."""
    num = max(0, len(ids) - order + 1)
    numbers = np.zeros(num, np.int64)
    for place in range(order):
        numbers = numbers * vocab_size + ids[place : place + num]
    return numbers


def count_grams(contexts_N: Ids, next_ids_N: Ids, vocab_size: int) -> GramCounts:
    """Count pairs of a context's number and the token behind it."""
    if not len(contexts_N) or int(contexts_N.max()) < np.iinfo(np.int64).max // vocab_size - 1:
        grams_G, counts_G = np.unique(contexts_N * vocab_size + next_ids_N, return_counts=True)
        contexts_C, starts_C = np.unique(grams_G // vocab_size, return_index=True)
    else:  # the number of a gram would not fit: take the context's rank for its number, which needs a slower sort
        contexts_C, rows_N = np.unique(contexts_N, return_inverse=True)
        grams_G, counts_G = np.unique(rows_N * vocab_size + next_ids_N, return_counts=True)
        starts_C = np.searchsorted(grams_G, np.arange(len(contexts_C)) * vocab_size)
    return GramCounts(
        vocab_size=vocab_size,
        contexts_C=contexts_C,
        starts_C1=np.append(starts_C, len(grams_G)),
        next_ids_G=grams_G % vocab_size,
        counts_G=counts_G,
    )


def count_ngrams(stream: TokenStream, vocab_size: int, sentinel_ids: frozenset[int]) -> NgramTable:
    """The contexts that come most often, each with its likeliest next token; none reaches across a document's end."""
    ids = stream.read(0, MAX_TOKENS)
    orders = _all_orders(ids, vocab_size, sentinel_ids)
    keys, next_ids, shares, weights = (np.concatenate(parts) for parts in zip(*orders, strict=True))
    kept = np.argsort(-weights, kind="stable")[:MAX_ENTRIES]
    kept = kept[np.argsort(keys[kept])]
    return NgramTable(
        vocab_size,
        torch.from_numpy(keys[kept]),
        torch.from_numpy(next_ids[kept].astype(np.int32)),
        torch.from_numpy(shares[kept].astype(np.float16)),
    )


def _all_orders(
    ids: Ids, vocab_size: int, sentinel_ids: frozenset[int]
) -> list[tuple[Ids, Ids, npt.NDArray[np.float64], Ids]]:
    is_text = ~np.isin(ids, sorted(sentinel_ids))
    return [_likeliest(_count_text(ids, is_text, order, vocab_size), order) for order in ORDERS]


def _count_text(ids: Ids, is_text: npt.NDArray[np.bool_], order: int, vocab_size: int) -> GramCounts:
    num = max(0, len(ids) - order)
    whole = np.ones(num, np.bool_)
    for place in range(order + 1):
        whole &= is_text[place : place + num]
    contexts = context_numbers(ids[:-1], order, vocab_size)
    return count_grams(contexts[whole], ids[order:][whole], vocab_size)


def _likeliest(counts: GramCounts, order: int) -> tuple[Ids, Ids, npt.NDArray[np.float64], Ids]:
    """Of the contexts worth a draft: keys, likeliest next tokens, their shares, and how often each was right."""
    if not len(counts.contexts_C):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64)
    totals_C, most_C = counts.totals_C, np.maximum.reduceat(counts.counts_G, counts.starts_C1[:-1])
    rows_G = counts.rows_G
    best_C = np.flatnonzero(counts.counts_G == most_C[rows_G])
    best_C = best_C[np.unique(rows_G[best_C], return_index=True)[1]]  # the first of equals
    good_C = (most_C >= LEAST_COUNT) & (most_C >= LEAST_SHARE * totals_C)
    offset = context_key([0] * order, counts.vocab_size)
    next_ids_C, shares_C = counts.next_ids_G[best_C], most_C / totals_C
    return counts.contexts_C[good_C] + offset, next_ids_C[good_C], shares_C[good_C], most_C[good_C]
