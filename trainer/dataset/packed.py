"""Rows of documents that stand end to end: windows over all tokens, in a new order and from a new start each epoch.

A row is a pure function of (seed, row number): nothing has to be saved to go on with exactly the next row, and any
number of processes or loader workers see the same rows. Knows nothing of the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lsp_server.errors import CorpusError
from trainer.dataset.order import permuted
from trainer.dataset.row import Row, RowMaker
from trainer.packing import TokenStream


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedRows:
    """Row n belongs to epoch n // rows_per_epoch."""

    stream: TokenStream
    maker: RowMaker

    def __post_init__(self) -> None:
        if len(self.stream) <= self.row_tokens:
            raise CorpusError(
                f"the corpus has {len(self.stream)} tokens, less than one row of {self.row_tokens}: "
                "add text or lower fit.row_tokens"
            )

    @property
    def row_tokens(self) -> int:
        return self.maker.row_tokens

    @property
    def rows_per_epoch(self) -> int:
        return max(1, (len(self.stream) - 1) // self.row_tokens - 1)

    def __getitem__(self, number: int) -> Row:
        epoch, index = divmod(number, self.rows_per_epoch)
        shuffle = np.random.default_rng((self.maker.seed, epoch))
        offset = int(shuffle.integers(self.row_tokens))  # windows begin elsewhere in every epoch
        window = permuted(index, self.rows_per_epoch, shuffle)
        return self.maker.make(self.stream.read(offset + window * self.row_tokens, self.row_tokens + 1), epoch, index)
