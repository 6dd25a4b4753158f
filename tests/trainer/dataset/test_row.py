"""From ids to a row: labels, padding, and which token belongs to which document."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from trainer.dataset import IGNORED_LABEL, PackedRows, RowMaker
from trainer.packing import TokenStream

EOT, PREFIX = 0, 1
"""The first two sentinels' ids."""


@pytest.fixture
def plain(maker: RowMaker) -> RowMaker:
    never = replace(maker.fill_in_middle, rate=0.0)
    return replace(maker, row_tokens=8, document_mask=True, fill_in_middle=never)


def test_a_short_row_is_padded_and_the_padding_bears_no_loss(plain: RowMaker) -> None:
    row = replace(plain, document_mask=False).make(np.asarray([9, 8, 7]), 0, 0)

    assert row["ids"].tolist() == [9, 8, EOT, EOT, EOT, EOT, EOT, EOT]
    assert row["labels"].tolist() == [8, 7, *[IGNORED_LABEL] * 6]
    assert set(row) == {"ids", "labels"}


@pytest.mark.parametrize(
    ("ids", "segments", "labels"),
    [
        pytest.param(
            [9, 8, EOT, 7, 6, 5, EOT, 4, 3],
            [0, 0, 1, 1, 1, 1, 2, 2],
            [8, EOT, 7, 6, 5, EOT, 4, 3],
            id="a plain document begins with the end of the one before, as a prompt does, and no label is lost",
        ),
        pytest.param(
            [9, EOT, PREFIX, 2, 8, 3, 7, EOT, 6],
            [0, 0, 1, 1, 1, 1, 1, 2],
            [EOT, IGNORED_LABEL, 2, 8, 3, 7, EOT, 6],
            id="a rearranged one begins with its first sentinel, which nothing before it can foretell",
        ),
        pytest.param(
            [9, EOT, 8],
            [0, 1, 2, 3, 4, 5, 6, 7],
            [EOT, 8, *[IGNORED_LABEL] * 6],
            id="padding sees nothing and is seen by nobody",
        ),
    ],
)
def test_documents_are_numbered_as_they_begin_in_a_prompt(
    plain: RowMaker, ids: list[int], segments: list[int], labels: list[int]
) -> None:
    row = plain.make(np.asarray(ids), 0, 0)

    assert row["segments"].tolist() == segments
    assert row["labels"].tolist() == labels


def test_every_scored_label_is_of_the_document_it_is_foretold_from(stream: TokenStream, maker: RowMaker) -> None:
    """Apart from the `<|endoftext|>` that ends it."""
    rows = PackedRows(stream=stream, maker=replace(maker, document_mask=True))

    for number in range(2 * rows.rows_per_epoch):
        row = rows[number]
        crosses = torch.diff(row["segments"]) > 0
        labels = row["labels"][:-1][crosses & (row["ids"][:-1] != EOT)]
        assert set(labels.tolist()) <= {IGNORED_LABEL, EOT}
        unmasked = PackedRows(stream=stream, maker=maker)[number]
        assert torch.equal(unmasked["ids"], row["ids"]), "the mask changes no id"
