"""Texts that were remembered, by collection and name, and an index of each collection, built beside the decoding.

A thread of its own sorts: a million tokens take half a second, in which numpy lets other threads run. Until an index is
ready the last one answers. Everything is in memory, and gone when it is forgotten.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from lsp_server.recall.suffix_index import SuffixIndex

GATHER_SECONDS = 0.2
"""Texts come in many small messages; an index for each would be thrown away at once."""
MOST_TOKENS = 8_000_000
"""Of one collection: 50 MB, 25 MB of code. What comes later is left out."""


class Collections:
    """Any thread may remember and look up."""

    def __init__(self, gather_seconds: float = GATHER_SECONDS) -> None:
        self._gather_seconds = gather_seconds
        self._changed = threading.Condition()  # guards everything below
        self._texts: dict[str, dict[str, npt.NDArray[np.uint32]]] = {}
        self._indexes: dict[str, SuffixIndex] = {}
        self._outdated: set[str] = set()
        self._builder: threading.Thread | None = None

    def remember(self, collection: str, texts: Mapping[str, Sequence[int]]) -> None:
        """Put texts into a collection, each in place of what had its name; an empty one only takes that away."""
        with self._changed:
            kept = self._texts.setdefault(collection, {})
            for name, ids in texts.items():
                kept.pop(name, None)
                if ids and len(ids) + sum(map(len, kept.values())) <= MOST_TOKENS:
                    kept[name] = np.asarray(ids, dtype=np.uint32)
            self._outdated.add(collection)
            if self._builder is None:
                self._builder = threading.Thread(target=self._build_all, name="parrotlet-recall", daemon=True)
                self._builder.start()

    def forget(self, collection: str) -> None:
        with self._changed:
            self._texts.pop(collection, None)
            self._indexes.pop(collection, None)
            self._outdated.discard(collection)

    def index_of(self, collection: str) -> SuffixIndex | None:
        """The latest index; None for a collection that nobody knows, or whose first index is not ready."""
        with self._changed:
            return self._indexes.get(collection)

    def settle(self, timeout_s: float) -> bool:
        """Wait until every index is up to date."""
        with self._changed:
            return self._changed.wait_for(lambda: self._builder is None, timeout_s)

    def _build_all(self) -> None:
        """Build what is outdated until nothing is, then end."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: False, self._gather_seconds)
                if not self._outdated:
                    self._builder = None
                    self._changed.notify_all()
                    return
                collection = self._outdated.pop()
                texts = dict(self._texts.get(collection, {}))
            index = SuffixIndex(texts)
            with self._changed:
                if collection in self._texts:
                    self._indexes[collection] = index
