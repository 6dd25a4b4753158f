"""Rows on the device, as many as a step asks for. Knows nothing of where they come from."""

from __future__ import annotations

from typing import Protocol

import torch

Batch = dict[str, torch.Tensor]


class Rows(Protocol):
    """Where the rows come from: `trainer.dataset.BatchReader`."""

    def take(self, num_rows: int) -> Batch: ...


class Feed:
    """This process's share of the rows, on its device."""

    def __init__(self, rows: Rows, device: torch.device) -> None:
        self._rows = rows
        self._device = device

    def take(self, num_rows: int) -> Batch:
        """The next rows, each entry with `num_rows` in its first dimension."""
        batch = self._rows.take(num_rows)
        if self._device.type == "cuda":
            batch = {name: tensor.pin_memory() for name, tensor in batch.items()}
        return {name: tensor.to(self._device, non_blocking=True) for name, tensor in batch.items()}
