from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.protocol.framing import MAX_HEADER_BYTES, BadFrame, FrameReader, frame

GOOD = frame(b'{"id":1}')


def frames(data: bytes, chunk: int = 1 << 16) -> list[bytes | BadFrame]:
    stream = io.BytesIO(data)
    return list(FrameReader(lambda count: stream.read(min(count, chunk)), max_body_bytes=1000))


@settings(max_examples=200, deadline=None)
@given(bodies=st.lists(st.binary(max_size=60), max_size=5), chunk=st.integers(1, 50))
def test_bodies_come_back_however_the_stream_is_cut(bodies: list[bytes], chunk: int) -> None:
    assert frames(b"".join(map(frame, bodies)), chunk) == bodies


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"content-length: 2\r\n\r\n", "header names ignore case"),
        (b"Content-Length:2\r\n\r\n", "the space is optional"),
        (b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: 2\r\n\r\n", "the other header"),
    ],
)
def test_every_legal_header_is_read(header: bytes, reason: str) -> None:
    assert frames(header + b"{}" + GOOD) == [b"{}", b'{"id":1}'], reason


@pytest.mark.parametrize("chunk", [1, 7, 1 << 16])
@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"Content-Length: abc\r\n\r\n", "no number"),
        (b"Content-Length: -5\r\n\r\n{}", "a negative number"),
        (b"Content-Type: x\r\n\r\n{}", "no length at all"),
        (b"hello\r\nContent-Length: 2\r\n\r\n{}", "a line that is no header"),
        (b"\r\n\r\n", "an empty header"),
        (b"Content-Length: 99999999999\r\n\r\n" + b"x" * 3000, "a body of gigabytes"),
        (b"Content-Length: 99999999999\r\n\r\n", "gigabytes promised, nothing sent"),
        (b"x" * (MAX_HEADER_BYTES * 3), "noise without a line break"),
        (b'{"id":1}\n' * 3, "bodies without headers"),
        (b"Content-Length: 1\r\n\r\n{}", "a length that is too short"),
    ],
)
def test_the_frame_after_a_broken_one_is_read(broken: bytes, reason: str, chunk: int) -> None:
    assert frames(broken + GOOD, chunk)[-1] == b'{"id":1}', reason


@pytest.mark.parametrize("data", [b"", b"Content-Le", b"Content-Length: 50\r\n\r\n{", b"noise"])
def test_a_stream_that_ends_early_ends_the_frames(data: bytes) -> None:
    assert all(isinstance(entry, BadFrame) for entry in frames(data))


@settings(max_examples=300, deadline=None)
@given(noise=st.binary(max_size=200), chunk=st.integers(1, 50))
def test_noise_never_crashes_the_reader(noise: bytes, chunk: int) -> None:
    frames(noise + GOOD, chunk)


def test_a_giant_body_is_dropped_without_being_held() -> None:
    def stream() -> Iterator[bytes]:
        yield b"Content-Length: 3000000000\r\n\r\n"
        for _ in range(1000):
            yield b"x" * (1 << 16)
        yield GOOD

    chunks = stream()
    tracemalloc.start()
    try:
        result = list(FrameReader(lambda _: next(chunks, b"")))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result[-1] == b'{"id":1}'
    assert peak < 4 << 20
