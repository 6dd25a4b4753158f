"""How long a run has worked: without the time in which it waited for others, or its process stood still.

A process that is stopped (Ctrl-Z, SIGSTOP) or a laptop that sleeps wakes up to a clock that went on; a budget of ten
minutes must not be spent by that. A thread that beats twice a second tells such a gap from a long step.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType

BEAT_SECONDS = 0.5
STOPPED_SECONDS = 5.0
"""A busy machine delays a beat by less."""


class Clock:
    """Shows the seconds of work since it was made, on top of those before."""

    def __init__(
        self,
        seconds_before: float = 0.0,
        *,
        beat_seconds: float = BEAT_SECONDS,
        stopped_seconds: float = STOPPED_SECONDS,
    ) -> None:
        self._zero = time.monotonic() - seconds_before
        self._beat_seconds, self._stopped_seconds = beat_seconds, stopped_seconds
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._last_beat = time.monotonic()
        self._heart: threading.Thread | None = None

    def __enter__(self) -> Clock:
        self._last_beat = time.monotonic()
        self._heart = threading.Thread(target=self._run, name="parrotlet-clock", daemon=True)
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._heart is not None:
            self._heart.join()

    @property
    def seconds(self) -> float:
        self._beat()
        with self._lock:
            return time.monotonic() - self._zero

    def leave_out(self, seconds: float) -> None:
        """Time that was not worked."""
        with self._lock:
            self._zero += seconds

    def _run(self) -> None:
        while not self._ended.wait(self._beat_seconds):
            self._beat()

    def _beat(self) -> None:
        """Also by whoever asks: behind a stop the asker may be first. Without a heart there is nothing to miss."""
        if self._heart is None:
            return
        with self._lock:
            now = time.monotonic()
            gap, self._last_beat = now - self._last_beat, now
            if gap > self._stopped_seconds:
                self._zero += gap - self._beat_seconds
