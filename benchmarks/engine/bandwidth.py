"""How fast this machine reads memory: the floor under decoding, since every token reads all weights once."""

from __future__ import annotations

import time

import torch

from benchmarks.engine.samples import percentile

LARGE_BYTES = 1 << 29
"""Far beyond any cache."""
READ_SECONDS = 0.25
MIN_READS = 5
SHARE = 0.25
"""The quicker quarter's edge: whatever else runs can only slow a read down."""


def read_bandwidth(num_bytes: int, threads: int) -> float:
    """Bytes a second that `threads` threads sum up from one buffer, over and over."""
    torch.set_num_threads(threads)
    buffer = torch.ones(num_bytes // torch.float32.itemsize)
    seconds: list[float] = []
    while sum(seconds) < READ_SECONDS or len(seconds) < MIN_READS:
        started = time.perf_counter()
        buffer.sum()
        seconds.append(time.perf_counter() - started)
    return num_bytes / percentile(seconds, SHARE)
