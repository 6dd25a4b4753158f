"""Rows that are tokenized while they are read: constant length, documents end to end, shuffled in blocks.

The rows of a block are made from consecutive text and then come in a random order. So the place to go on from is small:
where the block's text begins, and the tokens left over from the block before. The block is made again from there, and
row n is the same whether the run was stopped or not. A buffer that gives one row and takes one would mix no further,
and all of it would have to be saved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lsp_server.errors import CheckpointError
from trainer.dataset.row import Ids, Row, RowMaker
from trainer.dataset.texts import TextSource

ENCODED_CHARACTERS = 250_000
"""Text that is encoded at once; what a block leaves of it is saved with each checkpoint."""
KEPT_PLACES = 4
"""Blocks whose beginnings are remembered: those that the row after the last one used can lie in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a block begins."""

    block: int
    texts: dict[str, Any]
    """The source's state."""
    rest: Ids
    """Ids that come before the next text's."""


class StreamedRows:
    """Rows of T tokens from texts without end; an epoch has no known length. Mutable: it owns its place in the text."""

    rows_per_epoch = None

    def __init__(self, texts: TextSource, maker: RowMaker, block_rows: int) -> None:
        self._texts, self._maker = texts, maker
        self._block_rows = block_rows
        self._places = [_Place(block=0, texts=texts.state_dict(), rest=np.zeros(0, np.int64))]

    @property
    def row_tokens(self) -> int:
        return self._maker.row_tokens

    def read(self, first: int, stride: int) -> Iterator[Row]:
        """All processes read the same text, and each makes rows of its own numbers only."""
        number = first
        for block, windows in self._blocks(first // self._block_rows):
            order = np.random.default_rng((self._maker.seed, block)).permutation(self._block_rows)
            while number // self._block_rows == block:
                index = number % self._block_rows
                yield self._maker.make(windows[order[index]], block, index)
                number += stride

    def state_dict(self, next_row: int) -> dict[str, Any]:
        place = self._place_before(next_row // self._block_rows)
        rest = torch.from_numpy(place.rest.astype(np.int32))  # a tensor, because checkpoints hold no NumPy
        return {"block": place.block, "block_rows": self._block_rows, "texts": place.texts, "rest": rest}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if int(state["block_rows"]) != self._block_rows:
            raise CheckpointError(
                f"dataset.block_rows is {self._block_rows}, but the checkpoint was written with "
                f"{state['block_rows']}: put it back, or start in a new run folder"
            )
        rest = state["rest"].numpy().astype(np.int64)
        self._places = [_Place(block=int(state["block"]), texts=dict(state["texts"]), rest=rest)]

    def _place_before(self, block: int) -> _Place:
        return max((place for place in self._places if place.block <= block), key=lambda place: place.block)

    def _blocks(self, first: int) -> Iterator[tuple[int, Ids]]:
        """Blocks from the first one asked for, each as windows of T + 1 ids that share their ends."""
        place = self._place_before(first)
        self._texts.load_state_dict(place.texts)
        texts, ids, block = iter(self._texts), place.rest, place.block
        num_ids = self._block_rows * self.row_tokens
        while True:
            parts, num_read = [ids], len(ids)
            while num_read <= num_ids:
                parts.append(self._encoded(texts))
                num_read += len(parts[-1])
            ids = np.concatenate(parts)
            if block >= first:
                windows = np.lib.stride_tricks.sliding_window_view(ids, self.row_tokens + 1)[:: self.row_tokens]
                yield block, windows[: self._block_rows]
            ids, block = ids[num_ids:].copy(), block + 1
            self._remember(_Place(block=block, texts=self._texts.state_dict(), rest=ids))

    def _encoded(self, texts: Iterator[str]) -> Ids:
        batch: list[str] = []
        size = 0
        while size < ENCODED_CHARACTERS:
            batch.append(next(texts))
            size += len(batch[-1])
        fill = self._maker.fill_in_middle
        end_of_text = np.asarray([fill.sentinels.end_of_text], np.int32).tobytes()
        ids = b"".join(fill.encoder.encode(text) + end_of_text for text in batch)
        return np.frombuffer(ids, np.int32).astype(np.int64)

    def _remember(self, place: _Place) -> None:
        self._places = [*self._places, place][-KEPT_PLACES:]
