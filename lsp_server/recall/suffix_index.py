"""Token sequences, sorted by what stands before each token, so that every earlier use of a context is found at once.

An infini-gram (Liu et al. 2024, arXiv 2401.17377) over the user's own code, as deep as `DEPTH` tokens. Immutable: 8
bytes a token, or 12 where ids need four bytes. Knows no text.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from lsp_server.recall.match import CONTINUATION, DEPTH, MOST_EXAMPLES, SHORTEST_MATCH, Match

_KEY_BYTES = 8
Ids = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]


class SuffixIndex:
    """Named sequences, of which any one can be left out of an answer."""

    def __init__(self, sequences: Mapping[str, Ids]) -> None:
        highest = max((int(np.max(ids)) for ids in sequences.values() if len(ids)), default=0)
        dtype = np.dtype(np.uint16 if highest < np.iinfo(np.uint16).max else np.uint32)
        separator = np.iinfo(dtype).max  # no token: see above
        pieces, self._ranges, end = [], {}, 0
        for name, ids in reversed(list(sequences.items())):
            reversed_ids = np.asarray(ids, dtype=np.uint32)[::-1].astype(dtype)
            self._ranges[name] = (end, end + len(reversed_ids) + 1)
            pieces += [reversed_ids, np.array([separator], dtype)]
            end += len(reversed_ids) + 1
        padding = np.full(DEPTH + 1, separator, dtype)
        self._ids = np.concatenate([*pieces, padding])
        self._width = dtype.itemsize
        self._bytes = _as_bytes(self._ids)
        self._places = _sorted_places(self._ids, end)
        self.num_tokens = end - len(sequences)

    def longest_match(self, context: Sequence[int], hidden: str = "") -> Match | None:
        """What followed the longest end of `context` that stands anywhere outside the sequence named `hidden`."""
        query = self._reversed(context)
        low, high = self._ranges.get(hidden, (0, 0))
        place = bisect_left(self._places, query, key=self._context_at(DEPTH))
        above, below = range(place - 1, -1, -1), range(place, len(self._places))
        length = max(self._num_common(query, self._first_shown(order, low, high)) for order in (above, below))
        if length < SHORTEST_MATCH:
            return None
        head, key = query[: length * self._width], self._context_at(length)
        first = bisect_left(self._places, head, hi=place, key=key)
        last = bisect_right(self._places, head, lo=place, key=key)
        step = 1 + (last - first) // MOST_EXAMPLES
        shown = [at for at in self._places[first:last:step] if not low <= at < high]
        if not shown:  # the few that are shown stood between the steps
            shown = [at for at in self._places[first:last] if not low <= at < high][:MOST_EXAMPLES]
        next_ids = [int(self._ids[at - 1]) for at in shown]
        usual = shown[next_ids.index(Counter(next_ids).most_common(1)[0][0])]
        return Match(length=length, next_ids=next_ids, continuation=self._continuation(usual))

    def _continuation(self, place: int) -> list[int]:
        """Up to the sequence's end."""
        ids: list[int] = self._ids[max(0, place - CONTINUATION) : place][::-1].tolist()
        separator = np.iinfo(self._ids.dtype).max
        return ids[: ids.index(separator)] if separator in ids else ids

    def _reversed(self, context: Sequence[int]) -> bytes:
        """The last tokens of a context, the last one first."""
        return _as_bytes(np.asarray(context[-DEPTH:], dtype=np.uint32)[::-1].astype(self._ids.dtype))

    def _context_at(self, length: int) -> Callable[[int], bytes]:
        """From a place to the `length` tokens before it."""
        content, width, size = self._bytes, self._width, length * self._width
        return lambda place: content[place * width : place * width + size]

    def _first_shown(self, order: range, low: int, high: int) -> int | None:
        return next((self._places[each] for each in order if not low <= self._places[each] < high), None)

    def _num_common(self, query: bytes, place: int | None) -> int:
        if place is None:
            return 0
        width, other = self._width, self._context_at(DEPTH)(place)
        length = 0
        while length < len(query) and query[length : length + width] == other[length : length + width]:
            length += width
        return length // width


def _as_bytes(ids: Ids) -> bytes:
    """Big-endian, so that bytes sort as numbers do."""
    return ids.astype(ids.dtype.newbyteorder(">")).tobytes()


def _sorted_places(ids: Ids, num_places: int) -> Sequence[int]:
    """Places of all tokens' contexts in reversed text, in the order of those contexts' bytes.

    A place is where a context begins; the token that it is the context of stands one before.
    """
    tokens_per_key = _KEY_BYTES // ids.dtype.itemsize
    wide = ids.astype(np.uint64)
    keys = []
    for first in range(0, DEPTH, tokens_per_key):
        key = np.zeros(num_places, dtype=np.uint64)
        for number in range(first, first + tokens_per_key):
            key = (key << np.uint64(8 * ids.dtype.itemsize)) | wide[number : number + num_places]
        keys.append(key)
    places = np.lexsort(keys[::-1]).astype(np.int32)
    separator = np.iinfo(ids.dtype).max
    is_token = (places > 0) & (ids[places - 1] != separator)
    return array("i", places[is_token].tobytes())
