"""What changes over a run, as pure functions of how much of it is done."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from trainer.fit.config import FitConfig
from trainer.fit.schedule import learning_rate_factor, row_parts, rows_of_step, share_done


def fit_config(**values: Any) -> FitConfig:
    return FitConfig(**{"max_steps": 100, **values})


def curve(config: FitConfig) -> list[float]:
    return [learning_rate_factor(step / 100, config) for step in range(101)]


@pytest.mark.parametrize("schedule", ["wsd", "linear", "cosine"])
def test_every_schedule_warms_up_to_1_and_ends_at_0(schedule: str) -> None:
    factors = curve(fit_config(schedule=schedule, warmup_share=0.1, decay_share=0.3))

    assert 0 < factors[0] <= 0.1
    assert all(left < right for left, right in pairwise(factors[:11]))
    assert factors[10] == pytest.approx(1.0)
    assert factors[100] == pytest.approx(0.0, abs=1e-9)
    assert all(left >= right for left, right in pairwise(factors[10:]))


def test_wsd_stays_and_then_falls_in_a_line() -> None:
    factors = curve(fit_config(schedule="wsd", warmup_share=0.1, decay_share=0.4))

    assert factors[10:60] == [1.0] * 50
    assert factors[60:] == pytest.approx([(100 - step) / 40 for step in range(60, 101)])


def test_linear_falls_from_the_end_of_the_warm_up() -> None:
    factors = curve(fit_config(schedule="linear", warmup_share=0.2))

    assert factors[20:] == pytest.approx([(100 - step) / 80 for step in range(20, 101)])


def test_cosine_is_at_half_in_the_middle() -> None:
    factors = curve(fit_config(schedule="cosine", warmup_share=0.0, decay_share=0.0))

    assert factors[0] == 1.0
    assert factors[50] == pytest.approx(0.5)
    assert factors[25] + factors[75] == pytest.approx(1.0)


def test_wsd_without_a_decay_stays_to_the_end() -> None:
    assert learning_rate_factor(1.0, fit_config(warmup_share=0.1, decay_share=0.0)) == 1.0


@pytest.mark.parametrize("schedule", ["wsd", "linear", "cosine"])
def test_a_run_that_only_warms_up_is_possible(schedule: str) -> None:
    factors = curve(fit_config(schedule=schedule, warmup_share=1.0, decay_share=0.0))

    assert factors[50] == pytest.approx(0.5)
    assert factors[100] <= 1.0


def test_progress_beyond_the_end_changes_nothing() -> None:
    config = fit_config()

    assert learning_rate_factor(1.5, config) == learning_rate_factor(1.0, config)
    assert learning_rate_factor(-1.0, config) == learning_rate_factor(0.0, config)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        pytest.param({"max_steps": 100}, 0.25, id="steps"),
        pytest.param({"max_steps": 0, "max_tokens": 1000}, 0.5, id="tokens"),
        pytest.param({"max_steps": 0, "minutes": 1.0}, 0.75, id="time"),
        pytest.param({"max_steps": 100, "max_tokens": 1000, "minutes": 10.0}, 0.5, id="whichever is furthest"),
    ],
)
def test_a_run_is_measured_by_its_limits(limits: dict[str, Any], expected: float) -> None:
    assert share_done(fit_config(**limits), step=25, tokens=500, seconds=45.0) == expected


def test_rows_grow_to_the_whole_batch_and_stay() -> None:
    config = fit_config(batch_rows=8, accumulate=4, batch_warmup_share=0.5)
    rows = [rows_of_step(step / 100, config, num_processes=2) for step in range(101)]

    assert rows[0] == 8
    assert all(left <= right for left, right in pairwise(rows))
    assert set(rows[50:]) == {64}
    assert all(count % 2 == 0 for count in rows)


def test_without_a_warm_up_every_step_has_all_rows_whole() -> None:
    config = fit_config(batch_rows=8, accumulate=4)

    assert rows_of_step(0.0, config, num_processes=1) == 32
    assert row_parts(0.0, config) == 1


def test_rows_are_quarters_then_halves_then_whole() -> None:
    config = fit_config(row_tokens=64, length_warmup_share=0.4)

    assert [row_parts(share, config) for share in (0.0, 0.19, 0.2, 0.39, 0.4, 1.0)] == [4, 4, 2, 2, 1, 1]
