"""The engine as another process: finds it or starts it, and comes back after it has died. Imports no torch."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from lsp_server.engine import messages
from lsp_server.engine.address import EngineAddress, EngineIdentity
from lsp_server.engine.api import CompletionRequest, CompletionResult, EngineStatus, OnTokens
from lsp_server.engine.choice import EngineChoice
from lsp_server.engine.connection import Connection, UnreachableError
from lsp_server.engine.endpoint import Endpoint, endpoint_of
from lsp_server.engine.launcher import DEFAULT_IDLE_MINUTES, START_SECONDS, engine_command, start_engine
from lsp_server.engine.messages import Message
from lsp_server.engine.wire import WireError
from lsp_server.errors import EngineError, EngineUnavailableError
from lsp_server.file_lock import FileLock

T = TypeVar("T")
RETRY_SECONDS = 10.0
"""After an engine could not be started, keystrokes get the same error for this long, not a process each."""
_POLL_SECONDS = 0.02


class EngineClient:
    """An `Engine` shared with every other client of the same choice and version. Belongs to one event loop."""

    def __init__(
        self,
        choice: EngineChoice | None = None,
        idle_minutes: float = DEFAULT_IDLE_MINUTES,
        *,
        command: list[str] | None = None,
    ) -> None:
        """`choice` None is the default of everything; `command` replaces how an engine is started."""
        self._choice = choice or EngineChoice()
        self._command = command or engine_command(self._choice, idle_minutes)
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None
        self._remembered: dict[str, dict[str, str]] = {}
        """As it went over the wire: another engine has to be told again."""
        self._reminding: asyncio.Task[None] | None = None
        self._failure = ""
        self._retry_at = 0.0

    async def complete(self, request: CompletionRequest, on_tokens: OnTokens | None = None) -> CompletionResult:
        message = {"op": "complete", "request": messages.request_to_json(request)}
        answer = await self._ask(message, on_tokens)
        return _read(answer, "result", messages.result_from_json)

    async def prefill(self, document: str, prompt_ids: tuple[int, ...]) -> None:
        await self._ask({"op": "prefill", "document": document, "prompt_ids": prompt_ids})

    async def remember(self, collection: str, texts: Mapping[str, Sequence[int]]) -> None:
        for batch in messages.batches(texts):
            self._remembered.setdefault(collection, {}).update(batch)
            await self._ask({"op": "remember", "collection": collection, "texts": batch})

    async def reload(self, bundle: Path | None) -> None:
        path = None if bundle is None else str(bundle.expanduser().resolve())
        await self._ask({"op": "reload", "bundle": path})

    async def status(self) -> EngineStatus:
        answer = await self._ask({"op": "status"})
        return _read(answer, "status", messages.status_from_json)

    async def close(self) -> None:
        """Leave; the engine goes on serving others until it is idle."""
        if self._connecting is not None:
            self._connecting.cancel()
            with contextlib.suppress(asyncio.CancelledError, EngineError):
                await self._connecting
        if self._reminding is not None:
            self._reminding.cancel()
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _ask(self, message: Message, on_tokens: OnTokens | None = None) -> Message:
        connection = await self._connected()
        return await connection.ask(message, on_tokens)

    async def _connected(self) -> Connection:
        """The open connection, or a new one; requests that come meanwhile wait for the same one.

        Raises: EngineUnavailableError.
        """
        if self._connection is not None and self._connection.is_open:
            return self._connection
        if self._connecting is None or self._connecting.done():
            if self._failure and time.monotonic() < self._retry_at:
                raise EngineUnavailableError(self._failure)
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(_retrieve)
        # A cancelled keystroke must not stop the start that the next one needs.
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> Connection:
        self._failure = ""
        try:
            address = EngineAddress.of(EngineIdentity.of(self._choice))
            self._connection = await self._reach(address, endpoint_of(address))
        except EngineError as error:
            self._failure, self._retry_at = str(error), time.monotonic() + RETRY_SECONDS
            raise
        if self._remembered:
            self._reminding = asyncio.create_task(self._remind(self._connection))
        return self._connection

    async def _remind(self, connection: Connection) -> None:
        """Tell a new engine what the last one was told."""
        with contextlib.suppress(EngineError):
            for collection, texts in list(self._remembered.items()):
                for name, packed in list(texts.items()):
                    await connection.ask({"op": "remember", "collection": collection, "texts": {name: packed}})

    async def _reach(self, address: EngineAddress, endpoint: Endpoint) -> Connection:
        """Connect to the engine, or start it, one client at a time."""
        with contextlib.suppress(UnreachableError):
            return await Connection.open(endpoint)
        with FileLock(address.start_lock) as lock:
            await _acquire(lock)
            with contextlib.suppress(UnreachableError):  # somebody else has started it meanwhile
                return await Connection.open(endpoint)
            await start_engine(self._command, address)
            try:
                return await Connection.open(endpoint)
            except UnreachableError as error:
                raise EngineUnavailableError(f"the engine started but does not answer ({error})") from error


async def _acquire(lock: FileLock) -> None:
    end = time.monotonic() + START_SECONDS
    while not lock.try_acquire():
        if time.monotonic() >= end:
            raise EngineUnavailableError("another editor has been starting the engine for too long: ask again")
        await asyncio.sleep(_POLL_SECONDS)


def _read(answer: Message, key: str, convert: Callable[[Message], T]) -> T:
    try:
        return convert(messages.take(answer, key, dict))
    except WireError as error:
        raise EngineError(f"the engine's answer is not understood: {error}") from error


def _retrieve(task: asyncio.Task[Connection]) -> None:
    """Mark a failure as seen: every request that waited for it may have been cancelled."""
    if not task.cancelled():
        task.exception()
