"""The document at hand, as it is being written. Searched as it is: it changes with each token. Knows no index."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import copy

from lsp_server.recall.match import CONTINUATION, DEPTH, MOST_EXAMPLES, SHORTEST_MATCH, Match, packed

_WIDTH = 4
_BREAK = 2**32 - 1
"""Between two texts; no token of any vocabulary."""
_MOST_PLACES = 256
"""Copies of the last two tokens that are compared further; of more, the last ones."""


class LiveText:
    """Grows at its end, token by token."""

    def __init__(self, texts: Sequence[Sequence[int]], separators: Collection[int] = ()) -> None:
        """The last text is the one that grows; `separators` are tokens that follow nothing."""
        self._separators = frozenset(separators) | {_BREAK}
        self._ids = [token_id for text in texts for token_id in (_BREAK, *text)][1:]
        self._bytes = bytearray(packed(self._ids))

    def add(self, token_id: int) -> None:
        self._ids.append(token_id)
        self._bytes += token_id.to_bytes(_WIDTH, "little")

    @property
    def end(self) -> list[int]:
        """The last tokens, as many as a search compares."""
        return self._ids[-DEPTH:]

    def longest_match(self) -> Match | None:
        """What followed the longest run of this text's end that stands earlier in it."""
        ends = self._ends_of(SHORTEST_MATCH)
        if not ends:
            return None
        length = SHORTEST_MATCH
        while length < DEPTH:
            token_id = self._ids[-length - 1] if length < len(self._ids) else -1
            longer = [end for end in ends if end > length and self._ids[end - length - 1] == token_id]
            if not longer:
                break
            ends, length = longer, length + 1
        return Match(
            length=length,
            next_ids=[self._ids[end] for end in ends[-MOST_EXAMPLES:]],
            continuation=self._continuation(ends[-1]),
        )

    def _continuation(self, start: int) -> list[int]:
        ids = self._ids[start : start + CONTINUATION]
        return ids[: next((at for at, token_id in enumerate(ids) if token_id in self._separators), None)]

    def copy(self) -> LiveText:
        other = copy(self)
        other._ids, other._bytes = list(self._ids), bytearray(self._bytes)
        return other

    def _ends_of(self, length: int) -> list[int]:
        """Where the text goes on behind earlier copies of its last `length` tokens, in order."""
        needle, end = bytes(self._bytes[-length * _WIDTH :]), len(self._bytes)
        ends: list[int] = []
        if len(needle) < length * _WIDTH:
            return ends
        while len(ends) < _MOST_PLACES:
            end = self._bytes.rfind(needle, 0, end - 1)
            if end < 0:
                break
            if end % _WIDTH == 0:  # else between two tokens
                ends.append(end // _WIDTH + length)
            end += len(needle)
        return [each for each in reversed(ends) if self._ids[each] not in self._separators]
