"""Waits until the model can answer, shows the editor that it is loading, and opens the completer. Knows no requests."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from lsp_server.completion.completer import Completer
from lsp_server.engine.api import Engine, EngineState, EngineStatus
from lsp_server.errors import ParrotletError
from lsp_server.protocol.notices import Notices

POLL_SECONDS = 0.2
CHOICE_SECONDS = 1.0
"""Between two looks at which model the user has chosen."""
RETRY_SECONDS = 10.0
"""A model that could not be opened is not read again at every keystroke."""
_ANSWER_SECONDS = 5.0


class Readiness:
    """The state of the model as this editor window knows it."""

    def __init__(
        self,
        server: LanguageServer,
        engine: Engine,
        open_completer: Callable[[], Completer],
        notices: Notices,
        model_in_use: Callable[[], Path] | None = None,
    ) -> None:
        """`open_completer` reads the bundle and may block; it raises BundleError for a model that cannot be used.

        `model_in_use` tells which one the user has chosen; None where it is fixed.
        """
        self.completer: Completer | None = None
        self.trouble = ""
        """Why there is no completer, as one line."""
        self.on_ready: list[Callable[[], None]] = []
        """Called when the model has been found loaded."""
        self._server = server
        self._engine = engine
        self._open_completer = open_completer
        self._notices = notices
        self._model_in_use = model_in_use
        self._opened: Path | None = None
        """The chosen model that the completer is of."""
        self._turn = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._tokens = itertools.count(1)
        self._retry_at = 0.0

    def watch(self) -> None:
        """See to it that the model gets loaded; does nothing while that is under way or has just failed."""
        if (self._watch is None or self._watch.done()) and time.monotonic() >= self._retry_at:
            self._watch = asyncio.ensure_future(self._run())
        if self._model_in_use is not None and self._following is None:
            self._following = asyncio.ensure_future(self._follow_choices())

    async def follow(self) -> None:
        """Have the model answer that the user has chosen by now, in the engine and here; the old one does until then.

        Raises: ParrotletError when it cannot be used; the old one stays then.
        """
        if self._model_in_use is None:
            return
        async with self._turn:
            wanted = self._model_in_use()
            if (await self._engine.status()).model != str(wanted.resolve()):
                await self._engine.reload(wanted)
            if self._opened == wanted:
                return
            await self._open()
        for tell in self.on_ready:  # the new completer has read nothing yet
            tell()

    async def reload(self) -> None:
        """Read the bundle again, here and in the engine."""
        await self._engine.reload(None)
        await self._open()
        self.watch()

    def stop(self) -> None:
        for task in (self._watch, self._following):
            if task is not None:
                task.cancel()

    async def _follow_choices(self) -> None:
        while True:
            await asyncio.sleep(CHOICE_SECONDS)
            if self.completer is None or self._model_in_use is None or self._model_in_use() == self._opened:
                continue
            try:
                await self.follow()
            except ParrotletError as error:
                self._notices.engine_trouble(str(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _run(self) -> None:
        try:
            if self.completer is None:
                await self._open()
            if await self._wait_until_loaded():
                await self.follow()  # an engine of other windows may have been started before the last choice
        except ParrotletError as error:
            self._notices.engine_trouble(str(error))

    async def _open(self) -> None:
        chosen = None if self._model_in_use is None else self._model_in_use()
        try:
            self.completer = await asyncio.to_thread(self._open_completer)
            self._opened = chosen
            self.trouble, self._retry_at = "", 0.0
        except ParrotletError as error:
            self.completer, self.trouble = None, str(error)
            self._retry_at = time.monotonic() + RETRY_SECONDS
            raise

    async def _wait_until_loaded(self) -> bool:
        """Whether it is."""
        status = await self._engine.status()
        if status.state is EngineState.LOADING:
            async with self._progress() as finish:
                while status.state is EngineState.LOADING:
                    await asyncio.sleep(POLL_SECONDS)
                    status = await self._engine.status()
                finish(_outcome(status))
        if status.state is EngineState.READY:
            if status.message:
                self._notices.once(status.message)
            for tell in self.on_ready:
                tell()
        elif status.state is EngineState.FAILED:
            self._notices.engine_trouble(status.message)
        return status.state is EngineState.READY

    @contextlib.asynccontextmanager
    async def _progress(self) -> AsyncIterator[Callable[[str], None]]:
        """A progress bar, where the editor shows one, that ends however the block ends."""
        token = f"parrotlet.load.{next(self._tokens)}" if await self._can_show() else None
        message = "stopped"

        def finish(outcome: str) -> None:
            nonlocal message
            message = outcome

        if token and await self._create(token):
            self._report(token, types.WorkDoneProgressBegin(title="Parrotlet: loading the model", cancellable=False))
        else:
            token = None
        try:
            yield finish
        finally:
            if token:
                self._report(token, types.WorkDoneProgressEnd(message=message))

    async def _can_show(self) -> bool:
        window = self._server.client_capabilities.window
        return bool(window and window.work_done_progress)

    async def _create(self, token: str) -> bool:
        try:
            await asyncio.wait_for(
                self._server.window_work_done_progress_create_async(types.WorkDoneProgressCreateParams(token=token)),
                _ANSWER_SECONDS,
            )
        except (asyncio.TimeoutError, JsonRpcException):
            return False
        return True

    def _report(self, token: str, value: types.WorkDoneProgressBegin | types.WorkDoneProgressEnd) -> None:
        self._server.progress(types.ProgressParams(token=token, value=value))


def _outcome(status: EngineStatus) -> str:
    return "ready" if status.state is EngineState.READY else status.message
