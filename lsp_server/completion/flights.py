"""Answers under way: who types on while one is written, and types what it says, joins it in place of asking anew.

An answer is given up when nobody waits for it any more. Knows no engine; what has been written is told to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from lsp_server.completion.cache import Suggestion, typed_since
from lsp_server.completion.snapshot import Snapshot
from lsp_server.settings import Settings


@dataclass(slots=True, kw_only=True)
class Flight:
    """One answer under way."""

    snapshot: Snapshot
    settings: Settings
    automatic: bool
    task: asyncio.Task[list[Suggestion]]
    num_waiting: int = 0
    written: str = ""

    async def wait(self) -> list[Suggestion]:
        """The answer; the last one to leave ends the work."""
        self.num_waiting += 1
        try:
            return await asyncio.shield(self.task)
        finally:
            self.num_waiting -= 1
            if not self.num_waiting and not self.task.done():
                self.task.cancel()
                await asyncio.gather(self.task, return_exceptions=True)  # the engine lets go before anyone asks again

    def leads_to(self, snapshot: Snapshot) -> bool:
        """Whether the document differs only by what was typed since, and that is what the model writes."""
        typed = typed_since(self.snapshot, snapshot)
        return bool(typed) and self.written != typed and self.written.startswith(typed or "")


class Flights:
    """The answers under way, the newest of each document."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight] = {}

    def find(self, snapshot: Snapshot, settings: Settings) -> Flight | None:
        """One whose answer will fit an automatic question."""
        flight = self._flights.get(snapshot.uri)
        if flight is None or flight.task.done() or not flight.automatic or flight.settings != settings:
            return None
        return flight if flight.leads_to(snapshot) else None

    def start(
        self, snapshot: Snapshot, settings: Settings, automatic: bool, work: Coroutine[Any, Any, list[Suggestion]]
    ) -> Flight:
        task = asyncio.ensure_future(work)
        flight = Flight(snapshot=snapshot, settings=settings, automatic=automatic, task=task)
        self._flights[snapshot.uri] = flight
        task.add_done_callback(lambda _: self._discard(flight))
        return flight

    def listener(self, uri: str) -> Callable[[int, str], None]:
        """To be called with each (candidate, new text) that the model writes for the answer of this very task."""
        flight = self._flights.get(uri)
        if flight is None or flight.task is not asyncio.current_task():
            return lambda _candidate, _text: None  # a newer question waits for its turn
        flight.written = ""

        def hear(candidate: int, text: str) -> None:
            if candidate == 0:
                flight.written += text

        return hear

    def _discard(self, flight: Flight) -> None:
        if self._flights.get(flight.snapshot.uri) is flight:
            del self._flights[flight.snapshot.uri]
