"""When somebody was last answered, told between processes by a file's time: a training waits while its user types."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from lsp_server.data_folder import data_folder

_EVERY_SECONDS = 0.5


class Activity:
    """Tells of questions, at most twice a second. It must cost nothing and never fail."""

    def __init__(self) -> None:
        self._told_at = 0.0

    def note(self) -> None:
        now = time.monotonic()
        if now - self._told_at < _EVERY_SECONDS:
            return
        self._told_at = now
        with contextlib.suppress(OSError):
            _file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _file().touch()


def seconds_since_activity() -> float:
    """Since the last question in any editor; infinite where nobody has ever asked."""
    try:
        return max(0.0, time.time() - _file().stat().st_mtime)
    except OSError:
        return float("inf")


def _file() -> Path:
    return data_folder() / "last-question"
