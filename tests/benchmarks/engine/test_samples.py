from __future__ import annotations

import pytest

from benchmarks.engine.samples import Samples, median, percentile


@pytest.mark.parametrize(
    ("values", "share", "expected", "reason"),
    [
        ([3.0], 0.95, 3.0, "one value is every percentile"),
        ([4.0, 1.0, 3.0, 2.0], 0.0, 1.0, "the lowest, in any order"),
        ([4.0, 1.0, 3.0, 2.0], 1.0, 4.0, "the highest"),
        ([1.0, 2.0], 0.5, 1.5, "between two neighbours"),
        ([0.0, 10.0, 20.0], 0.95, 19.0, "interpolated, not rounded to a value"),
    ],
)
def test_percentiles_lie_between_the_sorted_values(
    values: list[float], share: float, expected: float, reason: str
) -> None:
    assert percentile(values, share) == pytest.approx(expected), reason


def test_no_values_have_no_median() -> None:
    with pytest.raises(ValueError, match="no values"):
        median([])


def test_rounds_are_pooled_for_each_engine() -> None:
    samples = Samples()
    samples.add("warm", "ours", [0.001, 0.003])
    samples.add("warm", "ours", [0.002])
    samples.add("warm", "theirs", [1.0])
    assert samples.median("warm", "ours") == 0.002
    assert samples.summary()["warm"]["ours"]["count"] == 3
    assert not samples.has("cold", "ours")
