"""Training rows: pure functions of their number, each window once an epoch, text that is rearranged and not lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lsp_server.errors import CorpusError
from trainer.dataset import IGNORED_LABEL, PackedRows, RowMaker
from trainer.dataset.order import permuted
from trainer.packing import TokenStream

ROW_TOKENS = 64


@pytest.fixture
def rows(stream: TokenStream, maker: RowMaker) -> PackedRows:
    return PackedRows(stream=stream, maker=maker)


def without_fill(rows: PackedRows) -> PackedRows:
    return replace(rows, maker=replace(rows.maker, fill_in_middle=replace(rows.maker.fill_in_middle, rate=0.0)))


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return torch.equal(left["ids"], right["ids"]) and torch.equal(left["labels"], right["labels"])


def test_a_row_is_a_function_of_seed_and_number(rows: PackedRows) -> None:
    backwards = {number: rows[number] for number in range(20, -1, -1)}

    assert all(same(rows[number], backwards[number]) for number in range(21))
    other = replace(rows, maker=replace(rows.maker, seed=4))
    assert not all(same(rows[number], other[number]) for number in range(5))


def test_every_row_has_the_same_length_and_labels_one_further_on(rows: PackedRows) -> None:
    for number in range(2 * rows.rows_per_epoch):
        ids, labels = rows[number]["ids"], rows[number]["labels"]

        assert ids.shape == labels.shape == (ROW_TOKENS,)
        length = int((labels != IGNORED_LABEL).sum())
        assert length >= 1
        assert torch.equal(labels[: length - 1], ids[1:length])
        assert (labels[length:] == IGNORED_LABEL).all()
        assert (ids[length:] == rows.maker.fill_in_middle.sentinels.end_of_text).all(), "padding"


def test_without_filling_rows_are_windows_and_nothing_is_padding(rows: PackedRows) -> None:
    plain = without_fill(rows)

    assert all((plain[number]["labels"] != IGNORED_LABEL).all() for number in range(rows.rows_per_epoch))


@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_an_epoch_visits_every_window_once(rows: PackedRows, epoch: int) -> None:
    plain = without_fill(rows)
    whole = rows.stream.read(0, len(rows.stream)).tolist()
    first = epoch * rows.rows_per_epoch

    windows = sorted(tuple(plain[first + index]["ids"].tolist()) for index in range(rows.rows_per_epoch))

    assert any(
        windows
        == sorted(
            tuple(whole[offset + n * ROW_TOKENS : offset + (n + 1) * ROW_TOKENS]) for n in range(rows.rows_per_epoch)
        )
        for offset in range(ROW_TOKENS)
    )


def test_epochs_differ_in_order_and_in_where_windows_begin(rows: PackedRows) -> None:
    plain = without_fill(rows)
    epochs = [{tuple(plain[e * rows.rows_per_epoch + i]["ids"].tolist()) for i in range(10)} for e in range(3)]

    assert not epochs[0] & epochs[1]
    assert not epochs[1] & epochs[2]


@pytest.mark.parametrize("count", [*range(1, 20), 63, 64, 65, 255, 256, 257, 1000, 4097])
def test_the_order_is_a_permutation(count: int) -> None:
    order = [permuted(index, count, np.random.default_rng(7)) for index in range(count)]

    assert sorted(order) == list(range(count))


def test_the_order_depends_on_its_seed_and_is_mixed() -> None:
    orders = [[permuted(index, 1000, np.random.default_rng(seed)) for index in range(1000)] for seed in (1, 2)]

    assert orders[0] != orders[1]
    steps = np.abs(np.diff(orders[0]))
    assert steps.mean() > 200, "neighbours lie a third of the range apart when shuffled, 1 apart in order"


def test_a_corpus_shorter_than_a_row_is_refused(rows: PackedRows) -> None:
    with pytest.raises(CorpusError, match=r"less than one row of 100000: add text or lower fit.row_tokens"):
        replace(rows, maker=replace(rows.maker, row_tokens=100_000))


def test_a_corpus_barely_longer_than_a_row_still_gives_labels(rows: PackedRows) -> None:
    short = replace(rows, maker=replace(rows.maker, row_tokens=len(rows.stream) - 1))

    assert short.rows_per_epoch == 1
    assert all((short[number]["labels"] != IGNORED_LABEL).any() for number in range(20))
