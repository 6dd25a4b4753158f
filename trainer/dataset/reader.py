"""Batches for the training loop from any source of rows, and the place to go on from. Knows no network.

    rows = BatchReader(source, process=0, num_processes=1)
    batch = rows.take(8)                           # any number of rows, another one each time if need be
    accelerator.register_for_checkpointing(rows)   # or state_dict() and load_state_dict()

All processes hold the same state, so it can be saved by one and loaded by another number of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from lsp_server.errors import CheckpointError
from trainer.dataset.row import IndexedRows, Row, RowSource, SequentialRows

FETCHED_ROWS = 16
"""Rows that a worker process hands over at once: each transfer costs about as much as preparing a row."""


class BatchReader:
    """This process's share of the rows: every `num_processes`-th. Mutable; the loop owns it."""

    def __init__(
        self, source: RowSource, *, process: int = 0, num_processes: int = 1, workers: int = 0, first_row: int = 0
    ) -> None:
        """`first_row` is the next that no process has used."""
        self.source = source
        self.next_row = first_row
        self._process, self._num_processes, self._workers = process, num_processes, workers
        self._rows: Iterator[Row] | None = None

    def take(self, num_rows: int) -> dict[str, torch.Tensor]:
        """The next rows of this process as one batch; the other processes must take as many."""
        if self._rows is None:
            self._rows = self._open()
        rows = [next(self._rows) for _ in range(num_rows)]
        self.next_row += num_rows * self._num_processes
        return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}

    def state_dict(self) -> dict[str, Any]:  # Any: what torch.save takes
        state: dict[str, Any] = {"next_row": self.next_row}
        if isinstance(self.source, SequentialRows):
            state["source"] = self.source.state_dict(self.next_row)
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises: CheckpointError for a state that another kind of source has left."""
        try:
            next_row = int(state["next_row"])
            if isinstance(self.source, SequentialRows):
                self.source.load_state_dict(state["source"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"the checkpoint's place in the training text is not understood ({error!r}): "
                "put dataset.mode back, or start in a new run folder"
            ) from error
        self.next_row, self._rows = next_row, None

    def _open(self) -> Iterator[Row]:
        first = self.next_row + self._process
        if isinstance(self.source, SequentialRows):
            return self.source.read(first, self._num_processes)
        if self._workers:
            return _FetchedRows(self.source, _RowNumbers(first, self._num_processes), self._workers)
        source = self.source
        return (source[number] for number in itertools.count(first, self._num_processes))


class _FetchedRows(Iterator[Row]):
    """Rows that worker processes prepare; they hold no state, so what they read ahead need not be saved.

    The loader gets a generator of its own, because it draws a number when it starts: taken from torch's, a resumed run
    would drop out other units than an uninterrupted one.
    """

    def __init__(self, source: IndexedRows, groups: _RowNumbers, workers: int) -> None:
        loader: DataLoader[Row] = DataLoader(
            source,  # type: ignore[arg-type]  # it has __getitem__; torch asks for no more
            batch_sampler=groups,
            num_workers=workers,
            generator=torch.Generator(),
        )
        self._groups = iter(loader)
        self._waiting: list[Row] = []

    def __next__(self) -> Row:
        if not self._waiting:
            group = next(self._groups)
            self._waiting = [{name: tensor[place] for name, tensor in group.items()} for place in range(FETCHED_ROWS)]
            self._waiting.reverse()
        return self._waiting.pop()


class _RowNumbers(Sampler[list[int]]):
    """first, first + stride, ... without end, `FETCHED_ROWS` at a time."""

    def __init__(self, first: int, stride: int) -> None:
        self._first, self._stride = first, stride

    def __iter__(self) -> Iterator[list[int]]:
        first = self._first
        while True:
            yield list(range(first, first + FETCHED_ROWS * self._stride, self._stride))
            first += FETCHED_ROWS * self._stride
