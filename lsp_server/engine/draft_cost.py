"""What one more token in a pass costs on this machine: measured once, when a back end is ready.

Knows no kernel; a back end gives it passes that are done when they return.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

TOKENS = 5
WARM_UP_PASSES, MEASURED_PASSES = 2, 7
LEAST, MOST = 0.02, 1.0


def measure_draft_cost(read: Callable[[int], None]) -> float:
    """As a share of a pass over one token; `read` makes a pass over so many and waits for it.

    In some 20 ms: the first suggestion must not wait for it. Weights that were just packed are not in the caches where
    decoding finds them: without the passes before, a draft seemed to cost 0.15 of a pass, where it costs 0.5
    (10 million weights, AVX2, one thread).
    """
    for _ in range(WARM_UP_PASSES):
        read(TOKENS)
    pairs = [(_seconds(read, 1), _seconds(read, TOKENS)) for _ in range(MEASURED_PASSES)]
    alone, together = (median(seconds) for seconds in zip(*pairs, strict=True))
    cost: float = (together / alone - 1) / (TOKENS - 1)
    return min(MOST, max(LEAST, cost))


def _seconds(read: Callable[[int], None], num_tokens: int) -> float:
    start = time.perf_counter()
    read(num_tokens)
    return time.perf_counter() - start
