"""A language client of raw frames: it can say what no library lets one say."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WAIT_SECONDS = 60.0
FAKE_SERVER = Path(__file__).parent / "fake_server.py"
ROOT = Path(__file__).parents[3]
NOTEBOOK = "file:///project/n.ipynb"
GHOST_TEXT_CLIENT: dict[str, Any] = {"textDocument": {"inlineCompletion": {}}}
Message = dict[str, Any]


def frame(message: object) -> bytes:
    body = json.dumps(message).encode()
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


class RawClient:
    """One server process and what it said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.uri = "file:///project/doc.py"
        """The document that is meant where none is named."""
        self.notifications: list[Message] = []
        self.server_requests: list[Message] = []
        self.orphans: list[Message] = []
        """Responses with no id, or with one that was not asked through `request`."""
        self.answers: dict[str, Callable[[Any], Any]] = {}
        """What to answer to requests of the server, by method; None otherwise."""
        self._ids = itertools.count(1)
        self._pending: dict[int, asyncio.Future[Message]] = {}
        self._news = asyncio.Event()
        self._reading = asyncio.ensure_future(self._read())

    @classmethod
    async def start(cls, *command: str, stderr: int | None = None) -> RawClient:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(command or (str(FAKE_SERVER),)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        return cls(process)

    async def initialize(self, capabilities: Message | None = None, **params: Any) -> Message:
        values = {"processId": os.getpid(), "rootUri": None, "capabilities": capabilities or {}, **params}
        response = await self.request("initialize", values)
        self.notify("initialized", {})
        return response

    def request(self, method: str, params: Any = None) -> asyncio.Future[Message]:
        """Send now; the future has the whole response, and its id as `request_id`."""
        request_id = next(self._ids)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._pending[request_id] = future
        future.request_id = request_id  # type: ignore[attr-defined]
        self.send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        return future

    def forget_the_past(self) -> None:
        self.notifications.clear()
        self.server_requests.clear()
        self.orphans.clear()

    def cancel(self, future: asyncio.Future[Message]) -> None:
        self.notify("$/cancelRequest", {"id": future.request_id})  # type: ignore[attr-defined]

    def notify(self, method: str, params: Any) -> None:
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def send(self, message: object) -> None:
        self.send_bytes(frame(message))

    def send_bytes(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    def open(self, text: str, uri: str | None = None) -> None:
        document = {"uri": uri or self.uri, "languageId": "python", "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})

    def change(self, text: str) -> None:
        """Replace the whole document."""
        self._change({"text": text})

    def type_text(self, line: int, column: int, text: str) -> None:
        here = {"line": line, "character": column}
        self._change({"range": {"start": here, "end": here}, "text": text})

    def _change(self, change: Message) -> None:
        document = {"uri": self.uri, "version": 2}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})

    def inline(
        self, line: int, column: int, *, uri: str | None = None, trigger: int = 2, **context: Any
    ) -> asyncio.Future[Message]:
        params = {**at(line, column, uri or self.uri), "context": {"triggerKind": trigger, **context}}
        return self.request("textDocument/inlineCompletion", params)

    def menu(self, line: int, column: int) -> asyncio.Future[Message]:
        params = {**at(line, column, self.uri), "context": {"triggerKind": 1}}
        return self.request("textDocument/completion", params)

    async def status(self) -> Message:
        return await self.command("parrotlet.status")

    async def command(self, name: str, *arguments: Any) -> Any:
        response = await self.request("workspace/executeCommand", {"command": name, "arguments": list(arguments)})
        return response["result"]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something the server has yet to say."""
        while not condition():
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), WAIT_SECONDS)

    async def until_status(self, condition: Callable[[Message], bool]) -> Message:
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition(status := await self.status()):
            assert time.monotonic() < deadline, status
        return status

    async def until_ready(self) -> None:
        """The model has been opened: a document of its own gets an answer."""
        self.open("add(", uri="file:///project/ready.py")
        deadline = time.monotonic() + WAIT_SECONDS
        while not (await self.inline(0, 4, uri="file:///project/ready.py"))["result"]["items"]:
            assert time.monotonic() < deadline, self.notifications

    async def exit_code(self) -> int:
        return await asyncio.wait_for(self.process.wait(), WAIT_SECONDS)

    async def stop(self) -> int:
        await self.request("shutdown")
        self.notify("exit", None)
        return await self.exit_code()

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self.process._transport.close()  # type: ignore[attr-defined]

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while header := await self.process.stdout.readline():
            length = int(header.removeprefix(b"Content-Length: "))
            assert await self.process.stdout.readline() == b"\r\n"
            self._take(json.loads(await self.process.stdout.readexactly(length)))
            self._news.set()
        for future in self._pending.values():
            if not future.done():
                future.set_exception(ConnectionError("the server left without an answer"))

    def _take(self, message: Message) -> None:
        if "method" in message and "id" in message:
            self.server_requests.append(message)
            answer = self.answers.get(message["method"], lambda params: None)(message.get("params"))
            self.send({"jsonrpc": "2.0", "id": message["id"], "result": answer})
        elif "method" in message:
            self.notifications.append(message)
        elif message["id"] not in self._pending:
            self.orphans.append(message)
        elif not (future := self._pending.pop(message["id"])).done():
            future.set_result(message)


def at(line: int, column: int, uri: str) -> Message:
    return {"textDocument": {"uri": uri}, "position": {"line": line, "character": column}}


def texts(response: Message) -> list[str]:
    """Inserted texts of inline items."""
    return [item["insertText"] for item in response["result"]["items"]]


def open_notebook(client: RawClient, sources: dict[str, str], prose: str) -> None:
    """Cells in order; the one named `prose` is Markdown."""
    client.notify(
        "notebookDocument/didOpen",
        {
            "notebookDocument": {
                "uri": NOTEBOOK,
                "notebookType": "jupyter-notebook",
                "version": 1,
                "cells": [{"kind": 1 if uri == prose else 2, "document": uri} for uri in sources],
            },
            "cellTextDocuments": [
                {"uri": uri, "languageId": "python", "version": 1, "text": source} for uri, source in sources.items()
            ],
        },
    )
