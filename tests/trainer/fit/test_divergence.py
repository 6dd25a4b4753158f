"""When a run has gone wrong, and when it has not."""

from __future__ import annotations

import math

import pytest

from lsp_server.errors import DivergenceError
from trainer.fit.checkpoint import Progress
from trainer.fit.divergence import SPIKE_STEPS, judge_step


def judge(losses: list[float], *, norm: float = 1.0, spike_nats: float = 1.0, scaled: bool = False) -> Progress:
    progress = Progress()
    for step, loss in enumerate(losses, start=1):
        judge_step(progress, step, loss, norm, spike_nats=spike_nats, scaled=scaled)
        progress.note_loss(loss)
    return progress


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_run(loss: float) -> None:
    with pytest.raises(DivergenceError, match="the loss of step 3 is"):
        judge([5.0, 4.0, loss])


def test_a_gradient_that_is_no_number_ends_the_run_unless_it_is_scaled() -> None:
    with pytest.raises(DivergenceError, match="the gradient of step 1 is inf"):
        judge([5.0], norm=math.inf)
    judge([5.0], norm=math.inf, scaled=True)


def test_a_loss_that_stays_up_ends_the_run() -> None:
    calm = [3.0] * 100

    with pytest.raises(DivergenceError, match=r"stayed 1 nats above its lowest, 3\.000, for 20 steps: 4\.500"):
        judge(calm + [4.5] * SPIKE_STEPS)
    judge(calm + [4.5] * (SPIKE_STEPS - 1) + [3.5])
    judge(calm + [3.9] * 200)
    judge(calm + [9.0] * 200, spike_nats=0.0)


def test_single_bad_batches_do_not_add_up() -> None:
    assert judge(([3.0] * 3 + [9.0]) * 50).steps_above <= 1
