"""A training row, what every source of rows can do, and how ids become one. Knows nothing of where ids come from.

Shape suffixes: T tokens of a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from trainer.dataset.fill_in_middle import FillInMiddle

IGNORED_LABEL = -100
"""torch's own default for cross entropy."""
Ids = npt.NDArray[np.int64]
Row = dict[str, torch.Tensor]
"""`ids` and `labels`, each T of int64, labels one further on; with a document mask also `segments`, T of int64."""


class IndexedRows(Protocol):
    """Rows without end, each a pure function of the seed and of its number: there is no state to save."""

    @property
    def row_tokens(self) -> int: ...

    @property
    def rows_per_epoch(self) -> int: ...

    def __getitem__(self, number: int) -> Row: ...


@runtime_checkable
class SequentialRows(Protocol):
    """Rows without end that can only be read forwards; row n is the same in every process and in every run."""

    @property
    def row_tokens(self) -> int: ...

    @property
    def rows_per_epoch(self) -> None:
        """Nobody knows before the text has been read."""
        ...

    def read(self, first: int, stride: int) -> Iterator[Row]:
        """Rows first, first + stride, and so on."""
        ...

    def state_dict(self, next_row: int) -> dict[str, Any]:  # Any: what torch.save takes
        """What another source needs to `read` from `next_row`."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


RowSource = IndexedRows | SequentialRows
"""What the loop trains on, by way of `trainer.dataset.reader`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMaker:
    """Turns the ids of a window into a row."""

    row_tokens: int
    seed: int
    fill_in_middle: FillInMiddle
    document_mask: bool = False

    def make(self, ids: Ids, epoch: int, index: int) -> Row:
        """Make a row of at most T + 1 ids; what is rearranged depends on the seed, the epoch and the index alone."""
        row = self._rearranged(ids, np.random.default_rng((self.seed, epoch, index)))
        padded = np.full(self.row_tokens, self._end_of_text, dtype=np.int64)
        padded[: len(row) - 1] = row[:-1]
        labels = np.full(self.row_tokens, IGNORED_LABEL, dtype=np.int64)
        labels[: len(row) - 1] = row[1:]
        if not self.document_mask:
            return {"ids": torch.from_numpy(padded), "labels": torch.from_numpy(labels)}
        segments = self._segments(padded)
        begins_rearranged = labels == self.fill_in_middle.sentinels.fim_prefix
        labels[begins_rearranged] = IGNORED_LABEL  # nothing that its document holds can foretell it
        return {
            "ids": torch.from_numpy(padded),
            "labels": torch.from_numpy(labels),
            "segments": torch.from_numpy(segments),
        }

    @property
    def _end_of_text(self) -> int:
        return self.fill_in_middle.sentinels.end_of_text

    def _rearranged(self, ids: Ids, random: np.random.Generator) -> Ids:
        ends = np.flatnonzero(ids == self._end_of_text) + 1
        pieces = np.split(ids, ends)
        return np.concatenate([self.fill_in_middle.rearrange(piece, random) for piece in pieces])

    def _segments(self, ids_T: Ids) -> Ids:
        """Number each token's document within the row.

        A document begins as it does in a prompt: with the `<|endoftext|>` before it where it is plain text, with its
        `<|fim_prefix|>` where it was rearranged. So the last token before an `<|endoftext|>` has it as its label, and
        the next document as its input.
        """
        is_prefix = ids_T == self.fill_in_middle.sentinels.fim_prefix
        begins = is_prefix | ((ids_T == self._end_of_text) & ~np.append(is_prefix[1:], False))
        return np.cumsum(begins)
