"""How a recipe chooses its training rows. Must never import torch: a recipe is checked before anything slow loads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lsp_server.errors import RecipeError
from trainer.limits import require


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetConfig:
    """How text becomes rows of `fit.row_tokens`; how often they are rearranged is `fit.fim_rate`'s."""

    mode: Literal["packed", "strided", "chunks", "stream"] = "packed"
    """`packed`: documents end to end, cut into rows. `strided`: overlapping rows of one document each, for fine-tuning.
    `chunks`: whole rows of one document each, what is left dropped, as in the Hugging Face course. `stream`: packed
    while it is read, for a corpus whose tokens do not fit on the disk."""
    stride: int = 0
    """Tokens from one row's start to the next, in `strided` mode; 0 does not overlap."""
    document_mask: bool = False
    """Whether attention stays within a document. Positions then begin anew in each, as serving has them."""
    character_spans: float = 0.5
    """Share of the middles that begin and end at any character; the others are shaped as a cursor leaves them."""
    stream_from: str = ""
    """A data set of the Hub, `hf:NAME?split=train&column=content`, that is streamed in place of the run's corpus; that
    one then serves to learn the tokenizer and to judge the result."""
    block_rows: int = 1024
    """Rows that a stream shuffles among each other."""
    workers: int = 0
    """Processes that prepare rows beside the training; a stream is read in the training process."""

    def __post_init__(self) -> None:
        require("dataset.stride", self.stride, 0, None)
        require("dataset.character_spans", self.character_spans, 0.0, 1.0)
        require("dataset.block_rows", self.block_rows, 1, 1_000_000)
        require("dataset.workers", self.workers, 0, 256)
        if self.stream_from and self.mode != "stream":
            raise RecipeError(f'dataset.stream_from is {self.stream_from!r}: set dataset.mode "stream", or take it out')
        if self.stride and self.mode != "strided":
            raise RecipeError(
                f'dataset.stride is {self.stride}, which "{self.mode}" rows do not have: set mode "strided"'
            )
