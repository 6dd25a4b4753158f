"""A CUDA graph's twin for a CPU: records a computation's operations, and replays them on the very same tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from lsp_server.engine.static_pass import Replay


@dataclass(frozen=True, slots=True)
class _Operation:
    function: Callable[..., Any]  # Any: each has a signature of its own
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[Tensor, ...]

    def run_again(self) -> None:
        """Into the tensors of the first time, wherever later operations will look for them."""
        found = self.function(*self.args, **self.kwargs)
        for old, new in zip(self.outputs, _tensors(found), strict=True):
            if new.data_ptr() != old.data_ptr():  # a view, or in place: it is there already
                old.copy_(new)


class _Listening(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.operations: list[_Operation] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:  # Any: torch's own signature
        found = function(*args, **(kwargs or {}))
        self.operations.append(_Operation(function, args, kwargs or {}, _tensors(found)))
        return found


class Tape:
    """As with a graph, a Python value that was read while recording stays what it was then."""

    def __init__(self) -> None:
        self.num_recorded = 0
        self.num_replays = 0

    def record(self, compute: Callable[[], Tensor]) -> tuple[Tensor, Replay]:
        self.num_recorded += 1
        with _Listening() as listening:
            output = compute()

        def replay() -> None:
            self.num_replays += 1
            for operation in listening.operations:
                operation.run_again()

        output.fill_(torch.nan)  # recording computes nothing, as far as anybody may rely on it
        return output, replay


def _tensors(found: Any) -> tuple[Tensor, ...]:  # Any: whatever an operation returns
    return tuple(leaf for leaf in pytree.tree_leaves(found) if isinstance(leaf, Tensor))
