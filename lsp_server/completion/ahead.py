"""Works ahead of the questions: where somebody types, the prompt is read before the editor asks.

An editor waits for a pause in typing before it asks, and the server for another; the engine reads meanwhile. Behind a
suggestion that was accepted the next one is asked for at once. Whatever fails here, fails silently: the question that
follows will say so.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from lsp_server.completion.completer import Completer
from lsp_server.completion.snapshot import Snapshot
from lsp_server.errors import ParrotletError
from lsp_server.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guess:
    """The next question as it is expected, and the work for it."""

    snapshot: Snapshot
    task: asyncio.Task[None]


class Ahead:
    """The guesses under way, one a document."""

    def __init__(self) -> None:
        self._guesses: dict[str, _Guess] = {}
        self._asked: dict[str, Snapshot] = {}
        """The latest real question about each document."""

    def expect(self, completer: Completer, snapshot: Snapshot, settings: Settings) -> None:
        """The editor will probably ask here; an earlier guess about the document is given up.

        Nothing is done twice: reading a prompt again would throw away what the engine wrote behind it.
        """
        guess = self._guesses.get(snapshot.uri)
        if self._asked.get(snapshot.uri) == snapshot or (guess is not None and guess.snapshot == snapshot):
            return
        task = asyncio.ensure_future(
            _quietly(completer, snapshot, settings)
        )  # first: it may join the older one's answer
        self._give_up(snapshot.uri)
        self._guesses[snapshot.uri] = _Guess(snapshot=snapshot, task=task)
        task.add_done_callback(lambda _: self._discard(snapshot.uri, task))

    def make_way(self, snapshot: Snapshot) -> None:
        """A real question comes: only work for this very question may go on, and then its answer is the one wanted."""
        self._asked[snapshot.uri] = snapshot
        guess = self._guesses.get(snapshot.uri)
        if guess is not None and guess.snapshot != snapshot:
            self._give_up(snapshot.uri)

    def forget(self, uri: str) -> None:
        """The document was closed."""
        self._asked.pop(uri, None)
        self._give_up(uri)

    def stop(self) -> None:
        for uri in list(self._guesses):
            self._give_up(uri)

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        await asyncio.gather(*(guess.task for guess in self._guesses.values()), return_exceptions=True)

    def _give_up(self, uri: str) -> None:
        if (guess := self._guesses.pop(uri, None)) is not None:
            guess.task.cancel()

    def _discard(self, uri: str, task: asyncio.Task[None]) -> None:
        if (guess := self._guesses.get(uri)) is not None and guess.task is task:
            del self._guesses[uri]


async def _quietly(completer: Completer, snapshot: Snapshot, settings: Settings) -> None:
    try:
        if completer.has_been_written_out(snapshot, settings) or completer.is_under_way(snapshot, settings):
            await completer.suggest(snapshot, settings, automatic=True)  # the answer waits in the completer's cache
        else:
            await completer.read_ahead(snapshot, settings)
    except ParrotletError as error:
        log.debug("not read ahead: %s", error)
    except Exception as error:  # nobody awaits this task: a defect would only be told by the event loop, with the code
        log.error("not read ahead: %s", type(error).__name__)
