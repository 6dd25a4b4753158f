"""Batches of any size from any source, and the place to go on from."""

from __future__ import annotations

import pytest
import torch

from lsp_server.errors import CheckpointError
from trainer.dataset import BatchReader, PackedRows, RowMaker
from trainer.packing import TokenStream


@pytest.fixture
def rows(stream: TokenStream, maker: RowMaker) -> PackedRows:
    return PackedRows(stream=stream, maker=maker)


def test_batches_of_any_size_are_the_rows_in_order(rows: PackedRows) -> None:
    reader = BatchReader(rows)

    taken = torch.cat([reader.take(size)["ids"] for size in (3, 1, 4)])

    assert torch.equal(taken, torch.stack([rows[number]["ids"] for number in range(8)]))


@pytest.mark.parametrize("num_processes", [1, 3])
def test_a_resumed_reader_goes_on_with_the_next_row_for_any_number_of_processes(
    rows: PackedRows, num_processes: int
) -> None:
    before = BatchReader(rows, process=1, num_processes=2)
    before.take(3)

    after = BatchReader(rows, process=0, num_processes=num_processes)
    after.load_state_dict(before.state_dict())

    assert torch.equal(after.take(1)["ids"][0], rows[6]["ids"])
    assert after.next_row == 6 + num_processes


def test_rows_that_workers_prepare_are_the_same(rows: PackedRows) -> None:
    torch.manual_seed(5)
    plain, fetched = BatchReader(rows, first_row=2), BatchReader(rows, first_row=2, workers=2)

    for size in (20, 1, 3):
        left, right = plain.take(size), fetched.take(size)
        assert all(torch.equal(left[name], right[name]) for name in left)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1)), "nothing was drawn from torch's own generator"


@pytest.mark.parametrize("state", [{}, {"next_row": None}, {"next_row": "x"}])
def test_a_state_that_is_not_understood_is_refused(rows: PackedRows, state: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match=r"place in the training text is not .*: put dataset.mode back"):
        BatchReader(rows).load_state_dict(state)
