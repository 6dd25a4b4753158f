"""Frames: round trips, limits, and everything that is no frame."""

from __future__ import annotations

import asyncio

import pytest

from lsp_server.engine.wire import MAX_FRAME_BYTES, WireError, encode_frame, read_frame


async def read_all(data: bytes) -> list[object]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    frames = []
    while (frame := await read_frame(reader)) is not None:
        frames.append(frame)
    return frames


async def test_frames_arrive_as_they_were_sent() -> None:
    sent = [{"op": "a", "text": "é\u2028😀\ud800"}, {}, {"ids": list(range(1000)), "x": None}]
    assert await read_all(b"".join(map(encode_frame, sent))) == sent


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x00\x00", "inside a frame"),
        (b"\x00\x00\x00\x05{}", "inside a frame"),
        (b"\xff\xff\xff\xff{}", "over the limit"),
        (b"GET / HTTP/1.1\r\n\r\n", "over the limit"),
        (b"\x00\x00\x00\x03{x}", "not JSON"),
        (b"\x00\x00\x00\x02\xff\xfe", "not JSON"),
        (b"\x00\x00\x00\x00", "not JSON"),
        (b"\x00\x00\x00\x02[]", "holds a list"),
        (b"\x00\x01\x86\xa0" + b"[" * 100_000, "not JSON"),
    ],
    ids=["half a length", "half a frame", "huge", "http", "no json", "no utf-8", "empty", "a list", "too deep"],
)
async def test_what_is_no_frame_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(WireError, match=message):
        await read_all(data)


def test_a_message_over_the_limit_is_not_sent() -> None:
    with pytest.raises(WireError, match="over the limit"):
        encode_frame({"text": "x" * MAX_FRAME_BYTES})
