"""How long to wait behind a key before the model is asked: as the user types, and as the model answers.

An answer that is there well before the next key is worth asking for at once. Where the model is too slow for that,
whoever goes on typing never sees it: then only a pause in typing is worth a question. Knows no protocol and no engine.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from statistics import median

MOST_SECONDS = 1.0
"""Nobody waits longer than that for a question."""
PAUSE_SECONDS = 2.0
"""Between keys further apart somebody was thinking, not typing."""
NOTICE_SECONDS = 0.1
"""What an answer needs on the screen to be seen before the next key; about half of the shortest reaction to light."""
PAUSE_FACTOR = 1.5
"""Times the usual gap: behind that, most people have stopped. Source: Tabby's debouncer takes 1.5 to 3."""
_REMEMBERED = 20
_FEWEST = 4
"""Gaps and answers that must be known before they count."""


class Pace:
    """One window's typing and its model's answers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last_key: float | None = None
        self._gaps: deque[float] = deque(maxlen=_REMEMBERED)
        self._latencies: deque[float] = deque(maxlen=_REMEMBERED)

    def typed(self) -> None:
        """A key was pressed."""
        now = self._clock()
        if self._last_key is not None and 0 < now - self._last_key < PAUSE_SECONDS:
            self._gaps.append(now - self._last_key)
        self._last_key = now

    def answered(self, seconds: float) -> None:
        """The model took that long."""
        self._latencies.append(seconds)

    def wait_seconds(self, least: float) -> float:
        """From now on, what of the wait the editor has already waited left out; `least` is 0 for no wait at all."""
        if least <= 0:
            return 0.0
        passed = 0.0 if self._last_key is None else self._clock() - self._last_key
        return max(0.0, max(least, self._pause()) - passed)

    def _pause(self) -> float:
        """What to wait for where answers come too late for those who type on; otherwise nothing."""
        if min(len(self._gaps), len(self._latencies)) < _FEWEST:
            return 0.0
        gap = median(self._gaps)
        is_in_time = median(self._latencies) + NOTICE_SECONDS < gap
        return 0.0 if is_in_time else min(MOST_SECONDS, PAUSE_FACTOR * gap)
