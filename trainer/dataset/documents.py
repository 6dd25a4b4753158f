"""Rows that lie within one document each: overlapping windows for fine-tuning, and the Hugging Face course's chunks.

Which documents are held out is decided when the corpus is built, so no window here shares a token with one there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lsp_server.errors import CorpusError
from trainer.dataset.order import permuted
from trainer.dataset.row import Row, RowMaker
from trainer.packing import TokenStream

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRows:
    """Rows of T tokens, `stride` apart; each epoch visits all of them, in a new order."""

    stream: TokenStream
    maker: RowMaker
    stride: int
    length: int
    """Ids of one window: T + 1 where the last one is only a label, T in the course's chunks."""
    lengths: Counts
    """Ids of each document that windows may take."""
    last_windows: Counts
    """Number of the first window behind each document's."""

    @classmethod
    def strided(cls, stream: TokenStream, maker: RowMaker, stride: int) -> DocumentRows:
        """Overlapping windows, the last of each document moved back to end with it; a short document is one window.

        With a stride of 10 and rows of 256 every token is read about 25 times an epoch.
        Source: the fine-tuning recipe of auto_coding (github.com/wangcongcong123/auto_coding, convert.py), without its
        two mistakes: padding bears no loss here, and overlapping windows are never shared out over the splits.
        """
        lengths = np.diff(stream.document_starts)
        further = np.maximum(0, lengths - (maker.row_tokens + 1))
        counts = np.where(lengths > 1, 1 + -(-further // stride), 0)
        return cls._of(stream, maker, stride, maker.row_tokens + 1, lengths, counts)

    @classmethod
    def chunks(cls, stream: TokenStream, maker: RowMaker) -> DocumentRows:
        """Whole chunks of T tokens side by side; what is left of a document, its `<|endoftext|>` included, is dropped.

        The label of a chunk's last token is dropped, too, as transformers' models do when they shift labels.
        Source: the Hugging Face course, chapter 7, "Training a causal language model from scratch".
        """
        lengths = np.diff(stream.document_starts) - 1
        return cls._of(stream, maker, maker.row_tokens, maker.row_tokens, lengths, lengths // maker.row_tokens)

    @classmethod
    def _of(
        cls, stream: TokenStream, maker: RowMaker, stride: int, length: int, lengths: Counts, counts: Counts
    ) -> DocumentRows:
        last_windows = np.cumsum(counts)
        if not len(last_windows) or not last_windows[-1]:
            raise CorpusError(
                f"none of the {len(lengths)} documents fills a row of {maker.row_tokens} tokens: "
                'add longer files, lower fit.row_tokens, or set dataset.mode "packed"'
            )
        return cls(stream=stream, maker=maker, stride=stride, length=length, lengths=lengths, last_windows=last_windows)

    @property
    def row_tokens(self) -> int:
        return self.maker.row_tokens

    @property
    def rows_per_epoch(self) -> int:
        return int(self.last_windows[-1])

    def __getitem__(self, number: int) -> Row:
        epoch, index = divmod(number, self.rows_per_epoch)
        window = permuted(index, self.rows_per_epoch, np.random.default_rng((self.maker.seed, epoch)))
        start, length = self.span(window)
        return self.maker.make(self.stream.read(start, length), epoch, index)

    def span(self, window: int) -> tuple[int, int]:
        """A window's first token and how many it has."""
        document = int(np.searchsorted(self.last_windows, window, side="right"))
        first = int(self.last_windows[document - 1]) if document else 0
        length = min(self.length, int(self.lengths[document]))
        offset = min((window - first) * self.stride, int(self.lengths[document]) - length)
        return int(self.stream.document_starts[document]) + offset, length
