"""A training that stands behind its user: lowest priority, a core left free, still while somebody types."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable

from lsp_server.activity import seconds_since_activity

NICENESS = 19
QUIET_SECONDS = 2.0
"""After the last question of an editor; people pause longer than this to think."""
LONGEST_PAUSE_SECONDS = 20.0
"""Then a step, of about half a second, is taken all the same: somebody who types for an hour gets a model, too."""
_LOOK_SECONDS = 0.1


def step_back() -> None:
    """Give this process the lowest priority, for good."""
    with contextlib.suppress(OSError, AttributeError):  # Windows has no niceness; somebody may have set a higher one
        os.nice(NICENESS - os.nice(0))


def num_threads() -> int:
    """All but one core; of two, both: the lowest priority gives way to an editor, and one alone takes twice as long."""
    return max(2, (os.cpu_count() or 1) - 1) if (os.cpu_count() or 1) > 1 else 1


def wait_for_quiet(
    since_activity: Callable[[], float] = seconds_since_activity, sleep: Callable[[float], None] = time.sleep
) -> float:
    """Wait while completions are asked for; returns the seconds that took."""
    began = time.monotonic()
    while since_activity() < QUIET_SECONDS and time.monotonic() - began < LONGEST_PAUSE_SECONDS:
        sleep(_LOOK_SECONDS)
    return time.monotonic() - began
