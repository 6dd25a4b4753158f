"""Processor time, which other programs hardly change; of this process and of its finished children."""

from __future__ import annotations

import resource
from collections.abc import Callable


def processor_seconds() -> float:
    """Since this process began."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def best_of(repeats: int, work: Callable[[], object]) -> float:
    """The least processor time of several runs."""
    seconds = []
    for _ in range(repeats):
        started = processor_seconds()
        work()
        seconds.append(processor_seconds() - started)
    return min(seconds)
