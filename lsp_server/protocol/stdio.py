"""Takes the process's stdin and stdout for the protocol, so that nothing else can read or print there."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import CancelledError

from lsp_server.protocol.framing import BadFrame, FrameReader

_Loop = asyncio.AbstractEventLoop
_QUEUED_FRAMES = 64
"""Frames read ahead of the event loop; more would only hold memory."""


def take_stdio() -> tuple[int, int]:
    """Private copies of stdin and stdout. What is left behind is the null device and stderr, also for child processes.

    A stray print, by a library in C too, would otherwise break the protocol.
    """
    sys.stdout.flush()
    stdin, stdout = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return stdin, stdout


class FdWriter:
    """A blocking writer in the shape pygls expects."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, data: bytes) -> None:
        """Raises: OSError when the other side is gone."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def close(self) -> None:
        os.close(self._fd)


async def frames_of(read: Callable[[int], bytes]) -> AsyncIterator[bytes | BadFrame]:
    """Frames of a blocking stream, read in a thread that neither a pool nor the process's end waits for."""
    queue: asyncio.Queue[bytes | BadFrame | None] = asyncio.Queue(_QUEUED_FRAMES)
    loop = asyncio.get_running_loop()
    frames = FrameReader(functools.partial(_read_or_end, read))
    threading.Thread(target=_pump, args=(frames, queue, loop), daemon=True, name="stdin").start()
    while (frame := await queue.get()) is not None:
        yield frame


def _read_or_end(read: Callable[[int], bytes], count: int) -> bytes:
    try:
        return read(count)
    except OSError:  # the other side broke the pipe: the same as its end
        return b""


def _pump(
    frames: Iterable[bytes | BadFrame],
    queue: asyncio.Queue[bytes | BadFrame | None],
    loop: _Loop,
) -> None:
    try:
        for frame in frames:
            _put(frame, queue, loop)
        _put(None, queue, loop)
    except CancelledError:  # nobody listens any more
        return


def _put(frame: bytes | BadFrame | None, queue: asyncio.Queue[bytes | BadFrame | None], loop: _Loop) -> None:
    """Wait until the queue takes it. Raises: CancelledError when the event loop has ended."""
    putting = queue.put(frame)
    try:
        asyncio.run_coroutine_threadsafe(putting, loop).result()
    except RuntimeError as error:
        putting.close()
        raise CancelledError from error
