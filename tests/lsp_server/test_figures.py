from __future__ import annotations

import pytest

from lsp_server.figures import percentile


@pytest.mark.parametrize(
    ("values", "share", "result"),
    [
        ([], 50, 0.0),
        ([3.0], 95, 3.0),
        ([4.0, 1.0, 3.0, 2.0], 50, 2.0),
        ([float(value) for value in range(1, 101)], 95, 95.0),
        ([float(value) for value in range(1, 20)], 95, 19.0),
        ([1.0, 2.0], 0, 1.0),
    ],
)
def test_percentiles_are_of_the_nearest_rank(values: list[float], share: float, result: float) -> None:
    assert percentile(values, share) == result
