"""Records passes as CUDA graphs: hundreds of kernels that one call starts again. Needs a CUDA device."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lsp_server.engine.static_pass import Replay

WARM_UP_RUNS = 3
"""Libraries allocate and choose kernels in their first runs, which must not be recorded.

Source: "Whole-network capture" in torch's notes on CUDA semantics, which also runs three times.
"""


class CudaGraphs:
    """Graphs that share one pool of memory: they never run at the same time.

    So one graph's output may lie where another works: whoever wants to keep it copies it before the next pass.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        with torch.cuda.device(device):
            self._memory = torch.cuda.graph_pool_handle()

    def record(self, compute: Callable[[], Tensor]) -> tuple[Tensor, Replay]:
        """The output's tensor, and what computes it anew."""
        with torch.cuda.device(self._device):
            self._warm_up(compute)
            graph = torch.cuda.CUDAGraph()
            # thread_local: what other threads of this process do with CUDA is no concern of this recording.
            with torch.cuda.graph(graph, pool=self._memory, capture_error_mode="thread_local"):
                output = compute()
        return output, graph.replay

    def _warm_up(self, compute: Callable[[], Tensor]) -> None:
        """Run it beside the stream that is recorded later, as capturing demands."""
        here = torch.cuda.current_stream()
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's is untyped
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP_RUNS):
                compute()
        here.wait_stream(aside)
