"""Replayed rows: their share, their order, and that every row of both sources comes once."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trainer.tuning.replay import MixedRows


class Numbered:
    """A source whose rows are its name and their number."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getitem__(self, number: int) -> Any:
        return self.name, number


@given(st.floats(0, 0.9), st.integers(1, 300))
def test_each_source_is_read_in_order_without_gaps(share: float, count: int) -> None:
    rows = MixedRows(tuned=Numbered("tuned"), replayed=Numbered("replayed"), share=share)
    seen: dict[str, list[int]] = {"tuned": [], "replayed": []}
    for number in range(count):
        name, own_number = rows[number]
        seen[name].append(own_number)
        assert abs(len(seen["replayed"]) - share * (number + 1)) <= 1
    assert all(numbers == list(range(len(numbers))) for numbers in seen.values())
