"""Rows that stay inside a document: overlapping windows without a leak, and the course's chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.errors import CorpusError
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.config import CorpusConfig, PackingConfig
from trainer.corpus.build import build_corpus
from trainer.dataset import IGNORED_LABEL, DocumentRows, RowMaker
from trainer.packing import TokenStream, pack

MakeCorpus = Callable[..., Path]


@pytest.fixture
def plain(maker: RowMaker) -> RowMaker:
    return replace(maker, row_tokens=16, fill_in_middle=replace(maker.fill_in_middle, rate=0.0))


def stream_of(*documents: list[int]) -> TokenStream:
    ids = np.asarray([token for document in documents for token in document], np.uint16)
    starts = np.cumsum([0, *map(len, documents)])
    return TokenStream(shards=(ids,), starts=(0, len(ids)), document_starts=starts)


def spans(rows: DocumentRows) -> list[tuple[int, int]]:
    return [rows.span(window) for window in range(rows.rows_per_epoch)]


def test_windows_overlap_by_the_stride_and_the_last_ends_with_its_document(plain: RowMaker) -> None:
    rows = DocumentRows.strided(stream_of([5] * 40, [6] * 3, [0], [7] * 17), plain, 10)

    assert spans(rows) == [
        *[(0, 17), (10, 17), (20, 17), (23, 17)],  # moved back
        (40, 3),  # a short document
        (44, 17),  # and none of a document that is only an end
    ]


@given(
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=6),
    stride=st.integers(1, 16),
)
def test_every_label_of_every_document_is_seen(lengths: list[int], stride: int) -> None:
    stream = stream_of(*([5] * length for length in lengths))
    maker = RowMaker(row_tokens=16, seed=0, fill_in_middle=None)  # type: ignore[arg-type]  # spans need none
    if max(lengths) < 2:
        return
    seen = Counter[int]()
    for start, length in spans(DocumentRows.strided(stream, maker, stride)):
        document = int(np.searchsorted(stream.document_starts, start, side="right")) - 1
        assert start + length <= stream.document_starts[document + 1], "inside its document"
        seen.update(range(start + 1, start + length))

    first_tokens = set(stream.document_starts[:-1].tolist())
    assert set(seen) == set(range(len(stream))) - first_tokens


def test_an_epoch_visits_every_window_once_in_another_order(stream: TokenStream, plain: RowMaker) -> None:
    rows = DocumentRows.strided(stream, plain, 5)
    epochs = [
        [tuple(rows[epoch * rows.rows_per_epoch + index]["ids"].tolist()) for index in range(rows.rows_per_epoch)]
        for epoch in range(2)
    ]

    assert epochs[0] != epochs[1]
    assert sorted(epochs[0]) == sorted(epochs[1])
    assert len(epochs[0]) > 2 * len(stream) // 16, "each token comes more than twice"


def test_no_window_of_the_heldout_part_is_in_a_training_window(
    tmp_path: Path, write_files: Callable[..., Path], module: Callable[[int], str], code_tokenizer: CodeTokenizer
) -> None:
    """The split is by file, before any window is cut: not one stretch of eight tokens with a held-out name leaks."""
    words = [f"{first}{second}{third}" for first in "abcde" for second in "fghij" for third in "klmno"]
    files = {
        f"{n}.py": "".join(f"{words[n]}_{words[(n + k) % 60]} = {words[n]}({n * 61 + k})\n" for k in range(9))
        for n in range(60)
    }
    config = CorpusConfig(sources=(str(write_files(tmp_path / "project", files)),), heldout_share=0.2)
    build_corpus(config, tmp_path / "corpus")
    code_tokenizer.save(tmp_path / "tokenizer.json")
    pack(tmp_path / "corpus", tmp_path / "tokenizer.json", tmp_path / "packed", PackingConfig())
    maker = RowMaker(row_tokens=32, seed=0, fill_in_middle=None)  # type: ignore[arg-type]  # spans need none
    grams = {}
    for split in ("train", "heldout"):
        stream = TokenStream.open(tmp_path / "packed", split)  # type: ignore[arg-type]
        rows = DocumentRows.strided(stream, maker, 4)
        windows = [stream.read(*rows.span(number)).tolist() for number in range(rows.rows_per_epoch)]
        grams[split] = {tuple(ids[at : at + 24]) for ids in windows for at in range(len(ids) - 23)}

    assert len(grams["heldout"]) > 500
    assert not grams["train"] & grams["heldout"]


def test_chunks_are_whole_and_tails_are_dropped(plain: RowMaker) -> None:
    ids = list(range(5, 45))
    rows = DocumentRows.chunks(stream_of([*ids, 0], [5] * 15 + [0], [*ids[:16], 0]), plain)

    assert spans(rows) == [(0, 16), (16, 16), (57, 16)], "neither the tail of 8 nor a document of 15"
    row = rows[0]
    assert row["labels"].tolist() == [*row["ids"].tolist()[1:15], row["labels"][14].item(), IGNORED_LABEL]


def test_documents_that_are_all_shorter_than_a_chunk_are_told(plain: RowMaker) -> None:
    with pytest.raises(CorpusError, match=r"none of the 2 documents fills a row of 16 tokens: add longer files, lower"):
        DocumentRows.chunks(stream_of([5] * 10 + [0], [5] * 16), plain)
