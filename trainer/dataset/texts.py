"""Texts without end, read while they are trained on, with a place to go on from. Knows nothing of tokens.

Lines end in a bare `\\n`, as they do in packed tokens.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from lsp_server.errors import CorpusError
from trainer.corpus import read_documents


class TextSource(Protocol):
    """Texts in a fixed order, over and over."""

    def __iter__(self) -> Iterator[str]:
        """From where the state says, without end."""
        ...

    def state_dict(self) -> dict[str, Any]:  # Any: what torch.save takes
        """Where the text stands that comes next."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class CorpusTexts:
    """The training documents of a corpus folder; goes on by reading past those that were used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._num_read = 0

    def __iter__(self) -> Iterator[str]:
        while True:
            for document in islice(read_documents(self._folder, "train"), self._num_read, None):
                self._num_read += 1
                yield document.text.replace("\r\n", "\n")
            if not self._num_read:
                raise CorpusError(f"{self._folder} holds no training text: add sources")
            self._num_read = 0

    def state_dict(self) -> dict[str, Any]:
        return {"documents": self._num_read}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._num_read = int(state["documents"])


class DatasetTexts:
    """One column of an iterable data set that keeps its own place, as those of the Hub do when they are streamed.

    `datasets.load_dataset(NAME, split="train", streaming=True)` gives one; its `state_dict` tells the shard and the
    example, so that going on needs no reading of what was used.
    """

    def __init__(
        self,
        dataset: Any,  # `datasets` is no dependency
        column: str,
        keep: Callable[[Mapping[str, Any]], bool] = lambda _: True,
    ) -> None:
        """`keep` chooses among the examples."""
        self._dataset, self._column, self._keep = dataset, column, keep
        self._start = copy.deepcopy(dataset.state_dict())

    def __iter__(self) -> Iterator[str]:
        while True:
            num_kept = 0
            for example in self._dataset:
                if self._keep(example):
                    num_kept += 1
                    yield self._text(example)
            if not num_kept and self._dataset.state_dict() == self._start:
                raise CorpusError("the streamed data set holds no example: check its name, its split and its filters")
            self._dataset.load_state_dict(copy.deepcopy(self._start))

    def state_dict(self) -> dict[str, Any]:
        return copy.deepcopy(dict(self._dataset.state_dict()))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._dataset.load_state_dict(copy.deepcopy(dict(state)))

    def _text(self, example: Mapping[str, Any]) -> str:
        try:
            return str(example[self._column]).replace("\r\n", "\n")
        except KeyError as error:
            raise CorpusError(
                f"the streamed data set has no column {self._column!r}, only {', '.join(example)}: name its text column"
            ) from error
