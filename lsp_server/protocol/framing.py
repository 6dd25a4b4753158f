"""Cuts a byte stream into JSON-RPC bodies, and survives a stream that breaks the rules. Knows nothing of JSON or LSP.

After a header it cannot use, it looks for the next usable one and drops what lies between: compact JSON never holds a
raw line break, so a `Content-Length` line is never part of a body. Memory stays within one body of the largest size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MAX_BODY_BYTES = 64 << 20
"""A didOpen of a file larger than this helps nobody; editors refuse such files long before."""
MAX_HEADER_BYTES = 4096
_READ_BYTES = 1 << 16
_HEADER_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,20})[ \t]*$", re.IGNORECASE | re.MULTILINE)
_START = re.compile(rb"content-length:[ \t]*\d{1,20}[ \t]*\r\n", re.IGNORECASE)
_LONGEST_START = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class BadFrame:
    """Bytes that were dropped, and why."""

    reason: str


class FrameReader:
    """Frames of one stream, in order, until it ends."""

    def __init__(self, read: Callable[[int], bytes], max_body_bytes: int = MAX_BODY_BYTES) -> None:
        """`read` gives at least one byte and at most the number asked for; none at the end of the stream."""
        self._read = read
        self._max_body_bytes = max_body_bytes
        self._buffer = bytearray()

    def __iter__(self) -> Iterator[bytes | BadFrame]:
        while True:
            length = self._next_length()
            if length is None:
                return
            if isinstance(length, BadFrame):
                yield length
                if not self._find_start():
                    return
            elif (body := self._take(length)) is None:
                return
            else:
                yield body

    def _next_length(self) -> int | BadFrame | None:
        """The length that the next header announces; None at the end of the stream."""
        while (end := self._buffer.find(_HEADER_END)) < 0:
            if len(self._buffer) > MAX_HEADER_BYTES:
                return BadFrame(reason=f"no end of the header within {MAX_HEADER_BYTES} bytes")
            if not self._fill():
                return None
        if end > MAX_HEADER_BYTES:
            return BadFrame(reason=f"a header of {end} bytes")
        header = bytes(self._buffer[:end]).replace(b"\r\n", b"\n")
        match = _LENGTH.search(header)
        if match is None or header.count(b":") < header.count(b"\n") + 1:
            later_start = _START.search(self._buffer, 1)
            del self._buffer[: later_start.start() if later_start else end + len(_HEADER_END)]
            return BadFrame(reason="a header without a usable Content-Length")
        del self._buffer[: end + len(_HEADER_END)]
        if int(match[1]) > self._max_body_bytes:
            return BadFrame(reason=f"a body of {int(match[1])} bytes, more than {self._max_body_bytes}")
        return int(match[1])

    def _find_start(self) -> bool:
        """Drop bytes up to the next usable header; False at the end of the stream."""
        while (match := _START.search(self._buffer)) is None:
            del self._buffer[:-_LONGEST_START]
            if not self._fill():
                return False
        del self._buffer[: match.start()]
        return True

    def _take(self, length: int) -> bytes | None:
        """The next `length` bytes; None where the stream ends before."""
        while len(self._buffer) < length:
            if not self._fill():
                return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _fill(self) -> bool:
        chunk = self._read(_READ_BYTES)
        self._buffer += chunk
        return bool(chunk)


def frame(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
