from __future__ import annotations

import os

import pytest

from benchmarks.engine.competitor import competing_process


def test_the_competitor_lives_as_long_as_the_block() -> None:
    with competing_process() as pid:
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
