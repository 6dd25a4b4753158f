"""Frames that break the rules neither end the server, nor hang it, nor fill its memory."""

from __future__ import annotations

import asyncio

import psutil
import pytest
from raw_client import WAIT_SECONDS, RawClient, frame

STATUS = {"command": "parrotlet.status"}
PARSE_ERROR, INVALID_REQUEST = -32700, -32600
pytestmark = pytest.mark.asyncio(loop_scope="module")


def raw_frame(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


BROKEN = [
    (b"Content-Length: x\r\n\r\n", "a length that is no number"),
    (b"Content-Length: -1\r\n\r\n", "a negative length"),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "another protocol"),
    (b"Content-Length: 5000000000\r\n\r\n", "gigabytes promised and not sent"),
    (raw_frame(b"[]"), "a batch"),
    (raw_frame(b"17"), "a number"),
    (raw_frame(b"{}"), "an object that is no message"),
    (raw_frame(b'{"jsonrpc":"1.0","id":1,"method":"shutdown"}'), "another version"),
    (raw_frame(b'{"jsonrpc":"2.0"}'), "neither request nor response"),
    (raw_frame(b'{"jsonrpc":"2.0","id":{},"method":"shutdown"}'), "an id that is no id"),
    (raw_frame(b'{"jsonrpc":"2.0","id":9,"method":7}'), "a method that is no name"),
    (raw_frame(b'{"jsonrpc":"2.0","method":"exit2","params":3}'), "parameters that are no structure"),
    (raw_frame(b'{"jsonrpc":"2.0","id":"x","result":{"jsonrpc":"2.0"}}'), "an answer nobody asked for"),
    (raw_frame(b'{"jsonrpc":"2.0","id":[1],"error":{"code":1,"message":""}}'), "an error to nobody"),
    (raw_frame(b'{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":404}}'), "a cancellation of nothing"),
    (raw_frame(b'{"jsonrpc":"2.0","method":"$/cancelRequest","params":{}}'), "a cancellation without id"),
    (
        raw_frame(
            b'{"jsonrpc":"2.0","method":"textDocument/didChange","params":'
            b'{"textDocument":{"uri":"file:///nowhere","version":1},"contentChanges":[{"text":"x"}]}}'
        ),
        "a change to a document that is not open",
    ),
]
NO_MESSAGES = [
    (b"{", PARSE_ERROR, "JSON that is cut off"),
    (b"\xff\xfe{}", PARSE_ERROR, "no UTF-8"),
    (b"[" * 100_000, PARSE_ERROR, "JSON nested beyond any stack"),
    (b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b"}", PARSE_ERROR, "a number of absurd size"),
    (b"[]", INVALID_REQUEST, "JSON that is no message"),
    (b'{"jsonrpc":"2.0","id":{},"method":"shutdown"}', INVALID_REQUEST, "an id that is no id"),
    (b'{"jsonrpc":"2.0","id":9,"method":7}', INVALID_REQUEST, "a method that is no name"),
]


async def test_the_next_request_is_answered_after_any_broken_message(client: RawClient) -> None:
    for data, reason in BROKEN:
        client.send_bytes(data)
        response = await asyncio.wait_for(client.request("workspace/executeCommand", STATUS), WAIT_SECONDS)
        assert response["result"]["state"] == "ready", reason
    assert not [note for note in client.notifications if note["method"] == "window/showMessage"]


async def test_a_body_that_is_no_message_is_answered_without_id(client: RawClient) -> None:
    for body, code, reason in NO_MESSAGES:
        client.orphans.clear()
        client.send_bytes(raw_frame(body))
        await client.until(lambda: bool(client.orphans))
        assert client.orphans[0]["id"] is None, reason
        assert client.orphans[0]["error"]["code"] == code, reason
    assert (await client.status())["state"] == "ready"


async def test_gigabytes_announced_and_partly_sent_stay_out_of_memory(client: RawClient) -> None:
    process = psutil.Process(client.process.pid)
    assert client.process.stdin is not None
    await client.status()
    before = process.memory_info().rss
    client.send_bytes(b"Content-Length: 5000000000\r\n\r\n")
    for _ in range(100):
        client.send_bytes(b"x" * (1 << 20))
        await client.process.stdin.drain()
    assert (await client.status())["state"] == "ready"
    assert process.memory_info().rss - before < 30 << 20


async def test_a_body_that_never_comes_ends_with_the_stream(own_client: RawClient) -> None:
    own_client.send_bytes(b"Content-Length: 1000\r\n\r\n{")
    assert own_client.process.stdin is not None
    own_client.process.stdin.close()
    assert await own_client.exit_code() == 1


async def test_a_large_document_is_taken(client: RawClient) -> None:
    client.open("x = 1\n" * 500_000 + "result = ")
    response = await asyncio.wait_for(client.inline(500_000, 9), WAIT_SECONDS)
    assert response["result"]["items"][0]["insertText"] == "compute()"


async def test_a_frame_cut_into_single_bytes_is_read(client: RawClient) -> None:
    assert client.process.stdin is not None
    for number, byte in enumerate(frame({"jsonrpc": "2.0", "method": "$/setTrace", "params": {"value": "off"}})):
        client.send_bytes(bytes([byte]))
        if number % 10 == 0:
            await client.process.stdin.drain()
    assert (await client.status())["state"] == "ready"
