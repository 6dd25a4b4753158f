"""Counts which tokens nearly always follow which, for the engine's drafts. Reads packed tokens; knows no network."""

from __future__ import annotations

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
_Ids = npt.NDArray[np.int64]


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
    ids: _Ids, vocab_size: int, sentinel_ids: frozenset[int]
) -> list[tuple[_Ids, _Ids, npt.NDArray[np.float64], _Ids]]:
    is_text = ~np.isin(ids, sorted(sentinel_ids))
    return [_count(ids, is_text, order, vocab_size) for order in ORDERS]


def _count(
    ids: _Ids, is_text: npt.NDArray[np.bool_], order: int, vocab_size: int
) -> tuple[_Ids, _Ids, npt.NDArray[np.float64], _Ids]:
    """Contexts of one length: keys, next tokens, their shares, and how often each was right."""
    num = max(0, len(ids) - order)
    grams, whole = np.zeros(num, np.int64), np.ones(num, np.bool_)
    for place in range(order + 1):
        grams = grams * vocab_size + ids[place : place + num]
        whole &= is_text[place : place + num]
    grams, counts = np.unique(grams[whole], return_counts=True)
    contexts = grams // vocab_size
    starts = np.flatnonzero(np.diff(contexts, prepend=-1))
    if not len(starts):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64)
    totals, most = np.add.reduceat(counts, starts), np.maximum.reduceat(counts, starts)
    best = np.flatnonzero(counts == np.repeat(most, np.diff(starts, append=len(counts))))
    best = best[np.unique(contexts[best], return_index=True)[1]]  # the first of equals
    good = (most >= LEAST_COUNT) & (most >= LEAST_SHARE * totals)
    offset = context_key([0] * order, vocab_size)
    return contexts[best][good] + offset, (grams[best] % vocab_size)[good], (most / totals)[good], most[good]
