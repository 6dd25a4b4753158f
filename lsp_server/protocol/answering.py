"""Turns a request into suggestions or into silence: supersession, debounce, and failures that must not reach a user.

Knows the protocol's rules for requests, but not its items.
"""

from __future__ import annotations

import asyncio
import logging
import time

from lsp_server.completion.cache import Suggestion
from lsp_server.completion.completer import Completer
from lsp_server.completion.pace import Pace
from lsp_server.completion.snapshot import Snapshot
from lsp_server.errors import DeviceFailedError, EngineLoadingError, ModelChangedError, ParrotletError
from lsp_server.protocol.anticipation import Anticipation
from lsp_server.protocol.configuration import Configuration
from lsp_server.protocol.counters import Counters
from lsp_server.protocol.notices import Notices
from lsp_server.protocol.readiness import Readiness
from lsp_server.protocol.rpc import log_defect

log = logging.getLogger(__name__)


class Answering:
    """The requests under way in one editor window."""

    def __init__(
        self,
        *,
        readiness: Readiness,
        configuration: Configuration,
        counters: Counters,
        notices: Notices,
        anticipation: Anticipation,
    ) -> None:
        self._readiness = readiness
        self._configuration = configuration
        self._counters = counters
        self._notices = notices
        self._anticipation = anticipation
        self.pace = Pace()
        self._running: dict[tuple[str, str], asyncio.Task[object]] = {}

    async def suggest(self, method: str, snapshot: Snapshot | None, *, automatic: bool) -> list[Suggestion]:
        """Suggestions, or none: an error would open a box in front of somebody who types.

        Raises: CancelledError when the editor, or a newer request of this method and document, wants no answer.
        """
        self._counters.requests += 1
        settings, completer = self._configuration.settings, self._readiness.completer
        if snapshot is None or not settings.enabled or snapshot.language in settings.disabled_languages:
            return []
        if completer is None:
            self._readiness.watch()
            return []
        key = (method, snapshot.uri)
        self._supersede(key)
        try:
            suggestions = await self._ask(completer, snapshot, automatic=automatic)
        except asyncio.CancelledError:
            self._counters.cancelled += 1
            raise
        finally:
            if self._running.get(key) is asyncio.current_task():
                del self._running[key]
        self._counters.answered += bool(suggestions)
        self._counters.from_cache += any(suggestion.from_cache for suggestion in suggestions)
        return suggestions

    def cancel_all(self) -> None:
        for task in self._running.values():
            task.cancel()

    def _supersede(self, key: tuple[str, str]) -> None:
        """Editors do not always cancel what they no longer want. The older request is answered RequestCancelled."""
        task = asyncio.current_task()
        assert task is not None
        if (older := self._running.get(key)) is not None:
            older.cancel()
        self._running[key] = task

    async def _ask(self, completer: Completer, snapshot: Snapshot, *, automatic: bool) -> list[Suggestion]:
        settings = self._configuration.settings
        try:
            known = completer.known(snapshot, settings, automatic)
            if known is not None:
                return known
            if automatic and not completer.is_under_way(snapshot, settings):
                await asyncio.sleep(self.pace.wait_seconds(settings.debounce_ms / 1000))
            self._anticipation.make_way(snapshot)
            began = time.monotonic()
            suggestions = await self._suggest(completer, snapshot, automatic=automatic)
            self.pace.answered(time.monotonic() - began)
            self._notices.engine_works()
            return suggestions
        except EngineLoadingError:
            self._readiness.watch()
        except DeviceFailedError:  # the next request is answered; what has happened is in the engine's status
            self._counters.failed += 1
            self._readiness.watch()
        except ParrotletError as error:
            self._counters.failed += 1
            self._notices.engine_trouble(str(error))
        except Exception as error:  # the protocol boundary: a defect of ours must not become a box in the editor
            self._counters.failed += 1
            log_defect("suggest", error)
        return []

    async def _suggest(self, completer: Completer, snapshot: Snapshot, *, automatic: bool) -> list[Suggestion]:
        """Where the user has just chosen another model, its answer."""
        settings = self._configuration.settings
        try:
            return await completer.suggest(snapshot, settings, automatic)
        except ModelChangedError:
            await self._readiness.follow()
            newer = self._readiness.completer
            if newer is None or newer is completer:
                raise
            return await newer.suggest(snapshot, settings, automatic)
