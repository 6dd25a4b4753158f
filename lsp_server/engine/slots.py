"""Which tokens each document's cache holds, and which documents may keep theirs. Knows no tensors and no sampling."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic

from lsp_server.engine.backend import Backend, C
from lsp_server.errors import EngineError

DEFAULT_CACHE_BYTES = 256 * 2**20
"""Fifteen documents of an 8 x 512 model with 1,024 positions in bf16, fifty of a 6 x 320 one with 512."""


class Slot(Generic[C]):
    """One document's cached sequence: the token ids, and the cache that holds their keys and values."""

    def __init__(self, cache: C) -> None:
        self.cache = cache
        self.ids: list[int] = []

    def reuse(self, prompt_ids: Sequence[int]) -> int:
        """Cut to the prefix shared with `prompt_ids`; returns its length.

        The prompt's last token is never reused, because its logits are needed.
        """
        num_reused = min(_num_common(self.ids, prompt_ids), len(prompt_ids) - 1)
        self.truncate(num_reused)
        return num_reused

    def truncate(self, num_tokens: int) -> None:
        """Forget the tokens from `num_tokens` on."""
        self.cache.truncate(num_tokens)
        del self.ids[num_tokens:]

    def extend(self, ids: Iterable[int]) -> None:
        """Record tokens whose keys and values the cache has taken."""
        self.ids.extend(ids)
        assert len(self.ids) == self.cache.num_tokens


class SlotPool(Generic[C]):
    """All documents' slots; the least recently used ones leave when the byte budget is spent."""

    def __init__(self, backend: Backend[C], max_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self._backend, self._max_bytes = backend, max_bytes
        self._slots: OrderedDict[str, Slot[C]] = OrderedDict()
        self._in_use: set[str] = set()

    @contextlib.contextmanager
    def use(self, document: str) -> Iterator[Slot[C]]:
        """The document's slot, newly made if need be. It stays while it is in use, whoever else needs room."""
        assert document not in self._in_use, "two jobs of one document must not run together"
        slot = self._slots.pop(document, None) or self._new_slot()
        self._slots[document] = slot
        self._in_use.add(document)
        try:
            self._make_room()
            yield slot
        finally:
            self._in_use.discard(document)

    def forget(self, document: str) -> None:
        if document not in self._in_use:
            self._slots.pop(document, None)

    def clear(self) -> None:
        self._slots.clear()

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def num_bytes(self) -> int:
        return sum(slot.cache.num_bytes for slot in self._slots.values())

    def _new_slot(self) -> Slot[C]:
        """Where the device has no room for one more cache, idle documents leave until it has."""
        while True:
            try:
                return Slot(self._backend.new_cache())
            except EngineError:
                idle = self._idle()
                if not idle:
                    raise
                del self._slots[idle[0]]

    def _make_room(self) -> None:
        for document in self._idle():
            if self.num_bytes <= self._max_bytes:
                return
            del self._slots[document]

    def _idle(self) -> list[str]:
        """Least recently used first."""
        return [document for document in self._slots if document not in self._in_use]


def _num_common(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of the common beginning."""
    for index, (left, right) in enumerate(zip(first, second, strict=False)):
        if left != right:
            return index
    return min(len(first), len(second))
