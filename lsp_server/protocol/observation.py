"""What became of this window's suggestions: ties offers, edits and acceptances to a follower, and that to a store."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Sequence
from urllib.parse import unquote

from lsp_server.completion.cache import Suggestion
from lsp_server.completion.snapshot import Snapshot
from lsp_server.protocol.configuration import Configuration
from lsp_server.statistics.follower import LOOKS, Follower
from lsp_server.statistics.offer import Offer, Outcome
from lsp_server.statistics.spans import Edit
from lsp_server.statistics.store import StatisticsStore

_LATE = 0.5
"""Seconds behind its time at which a look is taken: timers may be early."""
_ITEMS_REMEMBERED = 1000


class Observation:
    """Of one editor window. Without a store, or with `statistics` off, nothing is followed."""

    def __init__(self, store: StatisticsStore | None, configuration: Configuration) -> None:
        self._store, self._configuration = store, configuration
        self._follower = Follower(self._on_end, self._put)
        self._keys: OrderedDict[str, int] = OrderedDict()
        self._timers: set[asyncio.TimerHandle] = set()
        self.client = ""

    @property
    def is_on(self) -> bool:
        return self._store is not None and self._configuration.settings.statistics

    def offer(
        self,
        snapshot: Snapshot,
        suggestions: Sequence[Suggestion],
        item_ids: Sequence[str],
        *,
        automatic: bool,
        seconds: float,
    ) -> None:
        """Suggestions go to the editor, under these ids."""
        if not self.is_on or not suggestions:
            return
        first = suggestions[0]
        offer = Offer(
            key=secrets.randbits(62),
            offered_at=time.time(),
            client=self.client,
            language=snapshot.language,
            automatic=automatic,
            from_cache=first.from_cache,
            latency_ms=1000 * seconds,
            characters=len(first.text),
            lines=first.text.count("\n") + 1,
        )
        texts = [suggestion.text for suggestion in suggestions]
        key = self._follower.offer(unquote(snapshot.uri), snapshot.offset, texts, offer, time.monotonic())
        for item_id in item_ids:
            self._keys[item_id] = key
        while len(self._keys) > _ITEMS_REMEMBERED:
            self._keys.popitem(last=False)

    def edit(self, uri: str, edit: Edit) -> None:
        """A document has changed."""
        self._follower.edit(unquote(uri), edit, time.monotonic())

    def accept(self, item_id: object) -> None:
        """The editor says that it inserted an item; it may say anything."""
        key = self._keys.get(item_id) if isinstance(item_id, str) else None
        if key is not None:
            self._follower.accept(key, time.monotonic())

    def close(self, uri: str) -> None:
        """A document was closed."""
        self._follower.close(unquote(uri), time.monotonic())

    def stop(self) -> None:
        """The editor leaves: write what there is."""
        for timer in self._timers:
            timer.cancel()
        self._follower.stop(time.monotonic())
        if self._store is not None:
            self._store.close()

    def _on_end(self, offer: Offer) -> None:
        self._put(offer)
        if offer.outcome in (Outcome.WHOLE, Outcome.PART):
            loop = asyncio.get_running_loop()
            for seconds in LOOKS:
                self._timers.add(loop.call_later(seconds + _LATE, self._look))

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        self._timers = {timer for timer in self._timers if timer.when() > now}
        self._follower.look(time.monotonic())

    def _put(self, offer: Offer) -> None:
        if self._store is not None:
            self._store.put(offer)
