"""Rows from a stream: the same in every run, wherever it was stopped."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lsp_server.errors import CheckpointError, CorpusError
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.dataset import BatchReader, CorpusTexts, DatasetTexts, Row, RowMaker, StreamedRows, streamed
from trainer.dataset.texts import TextSource

MakeCorpus = Callable[..., Path]
BLOCK_ROWS = 7


@pytest.fixture(autouse=True)
def _little_text_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "ENCODED_CHARACTERS", 300)


@pytest.fixture
def open_stream(make_corpus: MakeCorpus, texts: list[str], maker: RowMaker) -> Callable[[], StreamedRows]:
    corpus = make_corpus(texts)
    return lambda: StreamedRows(CorpusTexts(corpus), replace(maker, row_tokens=48), BLOCK_ROWS)


def same(left: Row, right: Row) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_rows_hold_all_the_text_end_to_end(
    open_stream: Callable[[], StreamedRows], texts: list[str], code_tokenizer: CodeTokenizer
) -> None:
    rows = open_stream()
    rows._maker = replace(rows._maker, fill_in_middle=replace(rows._maker.fill_in_middle, rate=0.0))
    found = [row["ids"].tolist() for row in islice(rows.read(0, 1), 4 * BLOCK_ROWS)]
    whole = [token for text in texts for token in [*code_tokenizer.encode(text), code_tokenizer.end_of_text]] * 2

    windows = [whole[number * 48 : (number + 1) * 48] for number in range(4 * BLOCK_ROWS)]

    assert found != windows, "shuffled"
    for block in range(4):
        span = slice(block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS)
        assert sorted(found[span]) == sorted(windows[span])


@pytest.mark.parametrize("stop", [0, 1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 50, 131])
def test_a_resumed_stream_gives_exactly_the_next_row(open_stream: Callable[[], StreamedRows], stop: int) -> None:
    """131 rows lie beyond the first pass over the text."""
    uninterrupted = list(islice(open_stream().read(0, 1), stop + 2 * BLOCK_ROWS))
    stopped = BatchReader(open_stream())
    for _ in range(stop):
        stopped.take(1)
    saved = copy.deepcopy(stopped.state_dict())

    resumed = BatchReader(open_stream())
    resumed.load_state_dict(saved)

    for row in uninterrupted[stop:]:
        batch = resumed.take(1)
        assert same({name: tensor[0] for name, tensor in batch.items()}, row)


def test_the_place_is_small_whatever_the_block(open_stream: Callable[[], StreamedRows], tmp_path: Path) -> None:
    reader = BatchReader(open_stream())
    reader.take(30)
    torch.save(reader.state_dict(), tmp_path / "state")

    assert (tmp_path / "state").stat().st_size < 10_000
    loaded = torch.load(tmp_path / "state", weights_only=True)
    assert loaded["next_row"] == 30


def test_processes_share_the_rows_out_and_their_state_is_one(open_stream: Callable[[], StreamedRows]) -> None:
    alone = BatchReader(open_stream())
    pair = [BatchReader(open_stream(), process=process, num_processes=2) for process in range(2)]

    batches = [reader.take(9)["ids"] for reader in pair]

    assert torch.equal(torch.stack(batches, dim=1).flatten(0, 1), alone.take(18)["ids"])
    states = [reader.state_dict() for reader in (alone, *pair)]
    assert all(state["next_row"] == 18 and state["source"]["block"] == states[0]["source"]["block"] for state in states)
    alone_again = BatchReader(open_stream())
    alone_again.load_state_dict(states[2])
    assert torch.equal(alone_again.take(5)["ids"], alone.take(5)["ids"])


def test_another_block_size_is_refused(open_stream: Callable[[], StreamedRows]) -> None:
    state = BatchReader(open_stream()).state_dict()
    state["source"]["block_rows"] = 8

    with pytest.raises(CheckpointError, match="block_rows is 7, but the checkpoint was written with 8: put it back"):
        BatchReader(open_stream()).load_state_dict(state)


def test_an_empty_corpus_is_told(make_corpus: MakeCorpus, maker: RowMaker) -> None:
    rows = StreamedRows(CorpusTexts(make_corpus([])), maker, 4)

    with pytest.raises(CorpusError, match="holds no training text: add sources"):
        next(rows.read(0, 1))


class HubLike:
    """Yields as `datasets.IterableDataset` does: from the state it was given, once; from the start after that."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts
        self._next = 0

    def __iter__(self) -> Iterator[dict[str, str]]:
        for number in range(self._next, len(self._texts)):
            self._next = number + 1
            yield {"content": self._texts[number]}

    def state_dict(self) -> dict[str, Any]:
        return {"examples": {"next": self._next}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._next = state["examples"]["next"]


@pytest.mark.parametrize("taken", [0, 2, 3, 7])
def test_a_streamed_data_set_goes_on_where_it_was(taken: int) -> None:
    def opened() -> TextSource:
        return DatasetTexts(HubLike(["a\r\n", "b", "c"]), "content")

    expected = (["a\n", "b", "c"] * 5)[taken : taken + 5]
    first = opened()
    reading = iter(first)
    for _ in range(taken):
        next(reading)

    second = opened()
    second.load_state_dict(first.state_dict())

    assert list(islice(second, 5)) == expected
    assert list(islice(reading, 5)) == expected


def test_a_streamed_data_set_without_the_column_or_an_example_is_told() -> None:
    with pytest.raises(CorpusError, match="has no column 'text', only content: name its text column"):
        next(iter(DatasetTexts(HubLike(["a"]), "text")))
    with pytest.raises(CorpusError, match="holds no example: check its name"):
        next(iter(DatasetTexts(HubLike([]), "content")))


def test_filling_in_is_drawn_by_block_and_row(open_stream: Callable[[], StreamedRows]) -> None:
    rows = list(islice(open_stream().read(0, 1), 80))

    again = list(islice(open_stream().read(0, 1), 80))

    assert all(same(left, right) for left, right in zip(rows, again, strict=True))
    assert np.mean([1 in row["ids"].tolist() for row in rows]) > 0.2, "a fill_in_middle prefix"
