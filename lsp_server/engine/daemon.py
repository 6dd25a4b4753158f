"""The engine's process: one resident model on a local socket, shared by all clients, gone when idle. Knows no LSP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count

from lsp_server.engine.address import EngineAddress, EngineIdentity
from lsp_server.engine.choice import EngineChoice
from lsp_server.engine.endpoint import Endpoint, endpoint_of
from lsp_server.engine.launcher import DEFAULT_IDLE_MINUTES, READY_LINE
from lsp_server.engine.local import LocalEngine
from lsp_server.engine.session import Session
from lsp_server.errors import ParrotletError, SettingsError
from lsp_server.file_lock import FileLock

logger = logging.getLogger(__name__)

EXIT_DONE, EXIT_ERROR, EXIT_TAKEN = 0, 1, 3
LIFE_LOCK_SECONDS = 5.0
"""How long to wait for an engine of the same identity that is just leaving."""
_POLL_SECONDS = 0.02


def run_daemon(
    choice: EngineChoice | None = None,
    idle_minutes: float = DEFAULT_IDLE_MINUTES,
) -> int:
    """Serve until idle or told to stop; returns the process's exit status."""
    if not idle_minutes > 0:
        raise SettingsError(f"idle_minutes is {idle_minutes}: choose a value above 0")
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(process)d %(name)s %(message)s")
    choice = choice or EngineChoice()
    engine = LocalEngine(choice)
    try:
        address = EngineAddress.of(EngineIdentity.of(choice))
        status = asyncio.run(serve(engine, address, idle_minutes * 60))
    except ParrotletError as error:
        logger.error("%s", error)
        return EXIT_ERROR
    if engine.is_running:  # in the middle of loading, which nothing interrupts: do not tear torch down under it
        logging.shutdown()
        os._exit(status)
    return status


async def serve(engine: LocalEngine, address: EngineAddress, idle_seconds: float) -> int:
    """Run the only daemon at that address; returns the process's exit status."""
    with FileLock(address.life_lock) as life_lock:
        if not await _acquire(life_lock, LIFE_LOCK_SECONDS):
            logger.error("an engine like this one is already running: connect to it, or end it first")
            return EXIT_TAKEN
        daemon = Daemon(engine, endpoint_of(address), idle_seconds)
        with _stop_signals(daemon):
            await daemon.run(on_ready=_announce)
    return EXIT_DONE


class Daemon:
    """Accepts clients, and ends when nobody has asked anything for `idle_seconds`."""

    def __init__(self, engine: LocalEngine, endpoint: Endpoint, idle_seconds: float) -> None:
        self._engine, self._endpoint, self._idle_seconds = engine, endpoint, idle_seconds
        self._sessions: dict[asyncio.Task[None], Session] = {}
        self._numbers = count(1)
        self._last_activity = time.monotonic()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End; running requests are answered as cancelled."""
        self._stopping.set()

    @property
    def num_sessions(self) -> int:
        return len(self._sessions)

    async def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        await self._engine.status()  # begins to load the model
        server = await self._endpoint.listen(self._accept)
        on_ready()
        try:
            await self._wait_for_end()
        finally:
            self._endpoint.withdraw()
            server.close()
            await self._end_sessions()
            await self._engine.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._stopping.is_set() or not self._endpoint.admits(writer):
            writer.close()
            return
        session = Session(
            next(self._numbers),
            self._engine,
            reader,
            writer,
            token=self._endpoint.token,
            on_activity=self._note_activity,
        )
        task = asyncio.current_task()
        assert task is not None
        self._sessions[task] = session
        try:
            await session.run()
        except asyncio.CancelledError:
            pass  # by `_end_sessions`; before Python 3.12 asyncio logs it as an error if it gets any further
        finally:
            del self._sessions[task]

    def _note_activity(self) -> None:
        self._last_activity = time.monotonic()

    async def _wait_for_end(self) -> None:
        while not self._stopping.is_set():
            remaining = self._idle_seconds - self._seconds_idle()
            if remaining <= 0:
                logger.info("nobody has asked anything for %.0f seconds: leaving", self._idle_seconds)
                self._stopping.set()
                return
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), remaining)

    def _seconds_idle(self) -> float:
        busy = any(session.num_running for session in self._sessions.values())
        return 0.0 if busy else time.monotonic() - self._last_activity

    async def _end_sessions(self) -> None:
        tasks = list(self._sessions)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _acquire(lock: FileLock, timeout_seconds: float) -> bool:
    end = time.monotonic() + timeout_seconds
    while not lock.try_acquire():
        if time.monotonic() >= end:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


def _announce() -> None:
    """Tell whoever started this process; afterwards standard output may be closed at the other end, so let go of it."""
    with contextlib.suppress(OSError):
        os.write(1, READY_LINE)
    os.dup2(2, 1)


@contextlib.contextmanager
def _stop_signals(daemon: Daemon) -> Iterator[None]:
    """SIGTERM and SIGINT end the daemon in good order."""
    loop = asyncio.get_running_loop()
    if sys.platform == "win32":
        previous = signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(daemon.stop))
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
