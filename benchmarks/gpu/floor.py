"""What a decoding step cannot beat: reading the weights once, and starting as many kernels as it is made of."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.engine.samples import median
from lsp_server.engine.device import wait_for

READ_BYTES = 2**30
"""Far beyond any cache."""
READ_BYTES_ON_CPU = 2**24
REPEATS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The longer of the two: neither can be hidden behind the other when it is all there is."""

    num_kernels: int
    launch_seconds: float
    """Of a graph of as many kernels that do nothing."""
    weight_bytes: int
    bandwidth: float
    """Bytes a second."""

    @property
    def read_seconds(self) -> float:
        return self.weight_bytes / self.bandwidth

    @property
    def seconds(self) -> float:
        return max(self.launch_seconds, self.read_seconds)


def measure_floor(num_kernels: int, weight_bytes: int, device: torch.device) -> Floor:
    """For a step of so many kernels that reads so many bytes of weights."""
    return Floor(
        num_kernels=num_kernels,
        launch_seconds=launch_seconds(num_kernels, device),
        weight_bytes=weight_bytes,
        bandwidth=bandwidth(device),
    )


def count_kernels(step: Callable[[], object]) -> int:
    """Operations that compute something; one kernel each, as near as can be told without a profiler."""
    counting = _Counting()
    with counting:
        step()
    return counting.num_kernels


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's is untyped
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.num_kernels: int = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:  # Any: torch's own signature
        found = function(*args, **(kwargs or {}))
        before = {leaf.data_ptr() for leaf in pytree.tree_leaves(args) if isinstance(leaf, Tensor)}
        after = [leaf.data_ptr() for leaf in pytree.tree_leaves(found) if isinstance(leaf, Tensor)]
        name = str(function)
        is_view = bool(after) and not before.isdisjoint(after) and not name.split(".")[1].endswith("_")
        self.num_kernels += bool(after) and not is_view and "empty" not in name
        return found


def launch_seconds(num_kernels: int, device: torch.device) -> float:
    """To start that many kernels that do next to nothing, until the last one has ended; on a GPU as one graph."""
    number = torch.zeros(1, device=device)

    def run() -> None:
        for _ in range(num_kernels):
            number.add_(1)

    run()
    if device.type != "cuda":
        return _seconds(run, device)
    wait_for(device)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return _seconds(graph.replay, device)


def bandwidth(device: torch.device) -> float:
    """Bytes a second that the device reads of one large buffer."""
    num_bytes = READ_BYTES if device.type == "cuda" else READ_BYTES_ON_CPU
    buffer = torch.ones(num_bytes // torch.float32.itemsize, device=device)
    return num_bytes / _seconds(buffer.sum, device)


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    found = []
    for _ in range(REPEATS):
        wait_for(device)
        started = time.perf_counter()
        run()
        wait_for(device)
        found.append(time.perf_counter() - started)
    return median(found)
