"""The measurement behind a plan, once for real."""

from __future__ import annotations

import pytest

from trainer.fit.config import FitConfig
from trainer.plan.probe import measure
from trainer.plan.shapes import sizes

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


def test_a_size_is_measured_and_leaves_nothing_behind() -> None:
    config = FitConfig(batch_rows=1, row_tokens=32, minutes=1.0, optimizer="muon", trackers=(), precision="fp32")

    first = measure(sizes(4096)[0], config)
    second = measure(sizes(4096)[0], config)

    assert min(first, second) > 1
