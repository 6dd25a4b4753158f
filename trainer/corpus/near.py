"""Which documents are near duplicates of one that ranks higher. Works on rows of hashes on disk; knows no text.

The bands are joined one at a time by sorting, as datatrove does it, so memory is a few dozen bytes a document however
large the corpus: datasketch's own index takes 350 bytes for each document and band.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.corpus.signatures import BANDS, similarities

Numbers = npt.NDArray[np.int64]
_PAIRS_AT_ONCE = 4096


def near_duplicates(
    bands: Sequence[npt.NDArray[np.uint64]],
    signatures: Sequence[npt.NDArray[np.uint32]],
    asked: Numbers,
    threshold: float,
) -> dict[int, int]:
    """Documents to drop, each with the one that stays for it.

    `bands` and `signatures` are all documents', in parts; `asked` are the numbers of those to be compared, the highest
    rank first. Of each cluster the highest stays. Candidates are those that share a band with the highest of that band,
    and two are similar when their signatures say so: what only the bands claim is checked.
    """
    starts = np.concatenate([[0], np.cumsum([len(part) for part in signatures])])
    clusters = _Clusters()
    for pairs in _candidates(bands, asked):
        for start in range(0, len(pairs), _PAIRS_AT_ONCE):
            some = pairs[start : start + _PAIRS_AT_ONCE]
            first, second = (_rows(signatures, starts, asked[some[:, side]]) for side in (0, 1))
            for high, low in some[similarities(first, second) >= threshold]:
                clusters.join(int(high), int(low))
    return {int(asked[low]): int(asked[high]) for low, high in clusters.followers()}


def _candidates(bands: Sequence[npt.NDArray[np.uint64]], asked: Numbers) -> Any:  # Any: an iterator of [pairs, 2]
    """For each band the ranks that may be similar, higher rank first; a pair is told by the first band that has it."""
    known = np.zeros(0, dtype=np.int64)
    count = max(1, len(asked))
    for band in range(BANDS):
        hashes = np.concatenate([part[:, band] for part in bands])[asked]
        order = np.lexsort((np.arange(len(asked)), hashes))
        begins = np.flatnonzero(np.diff(hashes[order], prepend=~hashes[order[:1]]) != 0)
        highest = np.repeat(order[begins], np.diff(begins, append=len(order)))
        keys = (highest * count + order)[highest != order]
        keys = keys[~np.isin(keys, known)]
        known = np.concatenate([known, keys])
        yield np.stack([keys // count, keys % count], axis=1)


def _rows(parts: Sequence[npt.NDArray[np.uint32]], starts: Numbers, numbers: Numbers) -> npt.NDArray[np.uint32]:
    """Some documents' signatures, wherever they lie."""
    found = np.zeros((len(numbers), parts[0].shape[1]), dtype=np.uint32)
    owners = np.searchsorted(starts, numbers, side="right") - 1
    for owner in np.unique(owners):
        mine = owners == owner
        found[mine] = parts[owner][numbers[mine] - starts[owner]]
    return found


class _Clusters:
    """Ranks joined into clusters, each of which is led by its highest rank, the smallest number."""

    def __init__(self) -> None:
        self._leader: dict[int, int] = {}

    def join(self, first: int, second: int) -> None:
        high, low = sorted((self._find(first), self._find(second)))
        self._leader[low] = high
        self._leader.setdefault(high, high)

    def followers(self) -> list[tuple[int, int]]:
        return [(rank, self._find(rank)) for rank in list(self._leader) if self._find(rank) != rank]

    def _find(self, rank: int) -> int:
        path = []
        while (leader := self._leader.get(rank, rank)) != rank:
            path.append(rank)
            rank = leader
        for each in path:
            self._leader[each] = rank
        return rank
