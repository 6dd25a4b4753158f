"""The repairs of pygls that no process is needed to see."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from lsprotocol import types

from lsp_server.completion.cache import Suggestion
from lsp_server.completion.snapshot import Snapshot
from lsp_server.engine.fake import FakeEngine
from lsp_server.protocol.rpc import silence_pygls
from lsp_server.protocol.server import ParrotletServer, build_server


class Wire:
    """Keeps what the server writes."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def write(self, data: bytes) -> None:
        self.messages.append(json.loads(data.partition(b"\r\n\r\n")[2]))

    def close(self) -> None:
        """Nothing to close."""


class BrokenWire(Wire):
    def write(self, data: bytes) -> None:
        raise BrokenPipeError


@pytest.fixture
def server() -> ParrotletServer:
    def no_completer() -> Any:
        raise AssertionError("no test here gets that far")

    return build_server(FakeEngine(lambda request, index: []), no_completer)


def initialize(server: ParrotletServer, root: str | None = None) -> Wire:
    wire = Wire()
    server.protocol.set_writer(wire)
    params = {"processId": None, "rootUri": root, "capabilities": {}}
    send(server, {"id": 1, "method": "initialize", "params": params})
    return wire


def send(server: ParrotletServer, message: dict[str, Any]) -> None:
    server.protocol.receive(json.dumps({"jsonrpc": "2.0", **message}).encode())


@pytest.mark.parametrize("answer", [{"result": None}, {"error": {"code": 1, "message": "late"}}])
async def test_a_late_answer_to_a_request_that_was_given_up_is_dropped(
    server: ParrotletServer, answer: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    wire = initialize(server)
    params = types.WorkDoneProgressCreateParams(token="load")
    future = server.protocol.send_request(types.WINDOW_WORK_DONE_PROGRESS_CREATE, params, msg_id="7")
    future.cancel()
    with caplog.at_level(logging.DEBUG, "lsp_server"):
        send(server, {"id": "7", **answer})
    assert not caplog.records
    assert wire.messages[-1]["method"] == "window/workDoneProgress/create"


async def test_a_request_is_about_the_document_as_it_was_when_it_arrived(
    server: ParrotletServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    async def suggest(method: str, snapshot: Snapshot, *, automatic: bool) -> list[Suggestion]:
        seen.append(snapshot.text)
        return []

    monkeypatch.setattr(server.answering, "suggest", suggest)
    wire = initialize(server)
    document = {"uri": "file:///a.py", "languageId": "python", "version": 1, "text": "before"}
    here = {"textDocument": {"uri": "file:///a.py"}, "position": {"line": 0, "character": 6}}
    change = {"textDocument": {"uri": "file:///a.py", "version": 2}, "contentChanges": [{"text": "after"}]}
    send(server, {"method": "textDocument/didOpen", "params": {"textDocument": document}})
    send(
        server, {"id": 2, "method": "textDocument/inlineCompletion", "params": {**here, "context": {"triggerKind": 2}}}
    )
    send(server, {"id": 3, "method": "textDocument/completion", "params": here})
    send(server, {"method": "textDocument/didChange", "params": change})
    assert not seen, "the handlers have not run yet"
    while len(wire.messages) < 3:
        await asyncio.sleep(0)
    assert seen == ["before", "before"]


async def test_a_broken_pipe_stops_the_server_and_nothing_is_written_after(server: ParrotletServer) -> None:
    initialize(server)
    codes: list[int] = []
    server.protocol.on_stop(codes.append)
    server.protocol.set_writer(BrokenWire())
    send(server, {"id": 2, "method": "shutdown"})
    send(server, {"id": 3, "method": "shutdown"})
    assert codes == [1]


async def test_payloads_are_not_logged_at_any_level(
    server: ParrotletServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("pygls"), "level", logging.NOTSET)
    silence_pygls()
    with caplog.at_level(logging.DEBUG):
        initialize(server, root="file:///secret_code")
        document = {"uri": "file:///a.py", "languageId": "python", "version": 1, "text": "secret_code"}
        send(server, {"method": "textDocument/didOpen", "params": {"textDocument": document}})
        send(server, {"method": "textDocument/didOpen", "params": {"textDocument": {"text": "secret_code"}}})
        send(server, {"method": "textDocument/didChange", "params": {"secret_code": 1}})
    assert "secret_code" not in caplog.text
    assert "could not decode 'textDocument/didOpen'" in caplog.text
