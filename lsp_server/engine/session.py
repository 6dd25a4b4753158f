"""The engine's side of one connection: handshake, then requests in and answers out. Knows no torch."""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import lsp_server
from lsp_server.engine import messages
from lsp_server.engine.address import PROTOCOL_VERSION
from lsp_server.engine.api import CompletionRequest, Recall
from lsp_server.engine.local import LocalEngine
from lsp_server.engine.messages import Message
from lsp_server.engine.wire import MAX_FRAME_BYTES, WireError, encode_frame, read_frame
from lsp_server.errors import EngineError, EngineUnavailableError, ParrotletError

logger = logging.getLogger(__name__)

Work = Callable[[], Coroutine[Any, Any, Message]]  # Any: nothing is ever sent into these coroutines
HELLO_SECONDS = 5.0
"""A stray program that connects and says nothing is sent away after this time."""


class Session:
    """Serves one client until either side leaves; then nothing of it stays in the engine."""

    def __init__(
        self,
        number: int,
        engine: LocalEngine,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        token: str,
        on_activity: Callable[[], None],
    ) -> None:
        """`number` keeps the documents of two windows apart: the same file may be open in both."""
        self._number, self._engine, self._reader, self._writer = number, engine, reader, writer
        self._token, self._on_activity = token, on_activity
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._documents: set[str] = set()
        self._collections: set[str] = set()

    @property
    def num_running(self) -> int:
        return len(self._tasks)

    async def run(self) -> None:
        try:
            await self._greet()
            while (message := await read_frame(self._reader)) is not None:
                self._handle(message)
        except WireError as error:
            logger.warning("connection %d closed: %s", self._number, error)
        except (OSError, asyncio.TimeoutError) as error:
            logger.info("connection %d lost: %s", self._number, type(error).__name__)
        finally:
            await self._leave()

    async def _greet(self) -> None:
        """Raises: WireError for anybody but a client of this version who knows the token."""
        hello = await asyncio.wait_for(read_frame(self._reader), HELLO_SECONDS)
        if hello is None or hello.get("op") != "hello":
            raise WireError("no handshake")
        if not hmac.compare_digest(messages.take(hello, "token", str).encode(), self._token.encode()):
            raise WireError("a wrong token")
        theirs = (hello.get("protocol"), hello.get("version"))
        ours = (PROTOCOL_VERSION, lsp_server.__version__)
        if theirs != ours:
            error = EngineUnavailableError(f"the engine speaks {ours}, this client {theirs}: restart the editor")
            self._send({"op": "error", "error": messages.error_to_json(error)})
            raise WireError(f"a client of another version, {str(theirs)[:80]}")
        self._send({"op": "hello", "pid": os.getpid()})
        self._on_activity()

    def _handle(self, message: Message) -> None:
        """Raises: WireError for a message that no client of ours sends."""
        operation, number = messages.take(message, "op", str), messages.take(message, "id", int)
        if operation == "cancel":
            if task := self._tasks.get(number):
                task.cancel()
            return
        if number in self._tasks:
            raise WireError(f"request number {number} is taken")
        try:
            work = self._work(operation, number, message)
        except ParrotletError as error:
            self._send({"op": "error", "id": number, "error": messages.error_to_json(error)})
            return
        if operation != "status":  # whoever only asks how it goes does not keep it alive
            self._on_activity()
        task = asyncio.create_task(self._answer(number, work))
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number))  # also when it is cancelled before its first step

    def _work(self, operation: str, number: int, message: Message) -> Work:
        """What to call for a message's answer; everything in the message has been checked."""
        if operation == "complete":
            request = messages.request_from_json(messages.take(message, "request", dict))
            request = replace(request, document=self._key(request.document), recall=self._own(request.recall))
            return lambda: self._complete(number, request)
        if operation == "prefill":
            document = self._key(messages.take(message, "document", str))
            prompt_ids = messages.take_ids(message, "prompt_ids")
            return lambda: self._done(self._engine.prefill(document, prompt_ids))
        if operation == "remember":
            collection = self._collection(messages.take(message, "collection", str))
            texts = messages.take_texts(message, "texts")
            return lambda: self._done(self._engine.remember(collection, texts))
        if operation == "reload":
            path = messages.take_optional(message, "bundle", str)
            return lambda: self._done(self._engine.reload(None if path is None else Path(path)))
        if operation == "status":
            return self._status
        raise WireError(f"{operation[:40]!r} is no operation")

    async def _complete(self, number: int, request: CompletionRequest) -> Message:
        def stream(candidate: int, text: str) -> None:
            self._send({"op": "tokens", "id": number, "candidate": candidate, "text": text})

        result = await self._engine.complete(request, stream)
        return {"op": "result", "result": messages.result_to_json(result)}

    async def _done(self, work: Coroutine[Any, Any, None]) -> Message:
        await work
        return {"op": "done"}

    async def _status(self) -> Message:
        return {"op": "status", "status": messages.status_to_json(await self._engine.status())}

    async def _answer(self, number: int, work: Work) -> None:
        try:
            answer = await work()
        except asyncio.CancelledError:  # by the client, by a newer request of the document, or by its leaving
            answer = {"op": "cancelled"}
        except ParrotletError as error:
            answer = {"op": "error", "error": messages.error_to_json(error)}
        except Exception as error:  # the boundary: a defect here must not leave the client waiting
            logger.exception("a request failed")
            failure = EngineError(f"the engine failed on this request: {type(error).__name__}")
            answer = {"op": "error", "error": messages.error_to_json(failure)}
        self._send({**answer, "id": number})
        self._on_activity()

    def _send(self, message: Message) -> None:
        if self._writer.is_closing():
            return
        self._writer.write(encode_frame(message))
        if self._writer.transport.get_write_buffer_size() > MAX_FRAME_BYTES:
            logger.warning("connection %d closed: the client does not read its answers", self._number)
            self._writer.transport.abort()

    def _key(self, document: str) -> str:
        key = f"{self._number}:{document}"
        self._documents.add(key)
        return key

    def _collection(self, collection: str) -> str:
        key = f"{self._number}:{collection}"
        self._collections.add(key)
        return key

    def _own(self, recall: Recall | None) -> Recall | None:
        return recall and replace(recall, collection=self._collection(recall.collection))

    async def _leave(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        self._writer.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        for document in self._documents:
            self._engine.forget(document)
        for collection in self._collections:
            self._engine.forget_collection(collection)
