"""Rows on the device, as many as a step asks for, in the order of their numbers.

Row n of a run is the same whatever the number of processes: of P processes, process p takes rows n with n % P = p.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

Batch = dict[str, torch.Tensor]


class Feed:
    """One process's share of the rows. Mutable: what was taken is gone."""

    def __init__(self, batches: Iterator[Batch], device: torch.device) -> None:
        self._batches = batches
        self._device = device
        self._waiting: Batch = {}

    def take(self, num_rows: int) -> Batch:
        """The next rows, each entry with `num_rows` in its first dimension."""
        while _num_rows(self._waiting) < num_rows:
            fresh = {name: tensor.to(self._device, non_blocking=True) for name, tensor in next(self._batches).items()}
            self._waiting = _joined(self._waiting, fresh)
        taken = {name: tensor[:num_rows] for name, tensor in self._waiting.items()}
        self._waiting = {name: tensor[num_rows:] for name, tensor in self._waiting.items()}
        return taken


def _num_rows(batch: Batch) -> int:
    return len(next(iter(batch.values()))) if batch else 0


def _joined(left: Batch, right: Batch) -> Batch:
    if not _num_rows(left):
        return right
    return {name: torch.cat([left[name], right[name]]) for name in right}


def read_batches(rows: Dataset[Batch], batch_rows: int, *, first: int, stride: int, pinned: bool) -> Iterator[Batch]:
    """Batches of rows first, first + stride, and so on, without end.

    The loader gets a generator of its own, because it draws a number when it starts: taken from torch's, a resumed run
    would drop out other units than an uninterrupted one.
    """
    return iter(
        DataLoader(
            rows,
            batch_size=batch_rows,
            sampler=_RowNumbers(first, stride),
            generator=torch.Generator(),
            pin_memory=pinned,
        )
    )


class _RowNumbers(Sampler[int]):
    """first, first + stride, ... without end."""

    def __init__(self, first: int, stride: int) -> None:
        self._first, self._stride = first, stride

    def __iter__(self) -> Iterator[int]:
        number = self._first
        while True:
            yield number
            number += self._stride
