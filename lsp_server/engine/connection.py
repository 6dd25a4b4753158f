"""The client's side of one connection: numbers the requests and brings each answer to whoever waits. Starts nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from itertools import count
from typing import Any

import lsp_server
from lsp_server.engine import messages
from lsp_server.engine.address import PROTOCOL_VERSION
from lsp_server.engine.api import OnTokens
from lsp_server.engine.endpoint import Endpoint
from lsp_server.engine.messages import Message
from lsp_server.engine.wire import WireError, encode_frame, read_frame
from lsp_server.errors import EngineUnavailableError, PromptError

logger = logging.getLogger(__name__)

HELLO_SECONDS = 5.0
"""An engine answers the handshake from its event loop at once, even while it loads a model."""


class UnreachableError(Exception):
    """Nobody listens there; a new engine may be started."""


@dataclass(slots=True)
class _Pending:
    answer: asyncio.Future[Message]
    on_tokens: OnTokens | None


class Connection:
    """Many requests at once over one socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._numbers = count(1)
        self._pending: dict[int, _Pending] = {}
        self._receiver = asyncio.create_task(self._receive())

    @classmethod
    async def open(cls, endpoint: Endpoint) -> Connection:
        """Connect and shake hands.

        Raises: UnreachableError; EngineUnavailableError when the engine refuses this client.
        """
        try:
            reader, writer = await endpoint.connect()
        except OSError as error:
            raise UnreachableError(str(error)) from error
        try:
            await asyncio.wait_for(_greet(reader, writer, endpoint.token), HELLO_SECONDS)
        except BaseException as error:
            writer.close()
            if isinstance(error, (OSError, WireError, asyncio.TimeoutError)):
                raise UnreachableError(f"no handshake: {error!r}") from error
            raise
        return cls(reader, writer)

    @property
    def is_open(self) -> bool:
        return not self._receiver.done() and not self._writer.is_closing()

    async def ask(self, message: Message, on_tokens: OnTokens | None = None) -> Message:
        """Send a request and wait for its answer; when the waiting task is cancelled, so is the request.

        Raises: what the engine raised; EngineUnavailableError when the connection ends first.
        """
        if not self.is_open:
            raise EngineUnavailableError("the engine has left: ask again to start a new one")
        number = next(self._numbers)
        try:
            frame = encode_frame({**message, "id": number})
        except WireError as error:
            raise PromptError(f"the request is too long to send ({error}): shorten the prompt") from error
        pending = _Pending(asyncio.get_running_loop().create_future(), on_tokens)
        self._pending[number] = pending
        self._writer.write(frame)
        try:
            return await pending.answer
        except asyncio.CancelledError:
            if number in self._pending and self.is_open:  # else the engine itself has cancelled it
                self._writer.write(encode_frame({"op": "cancel", "id": number}))
            raise
        finally:
            self._pending.pop(number, None)

    async def close(self) -> None:
        self._receiver.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._receiver
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _receive(self) -> None:
        try:
            while (message := await read_frame(self._reader)) is not None:
                self._dispatch(message)
        except (WireError, OSError) as error:
            logger.warning("the connection to the engine is lost: %s", error)
        finally:
            self._writer.close()
            for pending in self._pending.values():
                if not pending.answer.done():
                    reason = "the engine ended before it answered: ask again to start a new one"
                    pending.answer.set_exception(EngineUnavailableError(reason))
            self._pending.clear()

    def _dispatch(self, message: Message) -> None:
        """Raises: WireError."""
        operation, number = messages.take(message, "op", str), messages.take(message, "id", int)
        pending = self._pending.get(number)
        if pending is None:  # the answer to a request that was cancelled here
            return
        if operation == "tokens":
            if pending.on_tokens is not None:
                pending.on_tokens(messages.take(message, "candidate", int), messages.take(message, "text", str))
            return
        error = messages.error_from_json(messages.take(message, "error", dict)) if operation == "error" else None
        del self._pending[number]
        if pending.answer.done():
            return
        if operation == "cancelled":
            pending.answer.cancel()
        elif error is not None:
            pending.answer.set_exception(error)
        else:
            pending.answer.set_result(message)


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
    hello: dict[str, Any] = {"op": "hello", "protocol": PROTOCOL_VERSION, "version": lsp_server.__version__}
    writer.write(encode_frame({**hello, "token": token}))
    answer = await read_frame(reader)
    if answer is None:
        raise WireError("the engine closed the connection")
    if answer.get("op") == "error":
        raise messages.error_from_json(messages.take(answer, "error", dict))
