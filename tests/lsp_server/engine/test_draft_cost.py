from __future__ import annotations

import pytest

from lsp_server.engine import draft_cost
from lsp_server.engine.draft_cost import measure_draft_cost


class Machine:
    """A clock that only passes move; the first passes are slow, as with cold caches."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds_alone: float, seconds_a_draft: float) -> None:
        self._alone, self._draft = seconds_alone, seconds_a_draft
        self._now, self.num_passes = 0.0, 0
        monkeypatch.setattr(draft_cost.time, "perf_counter", lambda: self._now)

    def read(self, num_tokens: int) -> None:
        self.num_passes += 1
        is_cold = self.num_passes <= 8  # as many as warming up and the median can bear
        self._now += 50.0 if is_cold else self._alone + self._draft * (num_tokens - 1)


@pytest.mark.parametrize(
    ("alone", "a_draft", "cost", "reason"),
    [
        (2.0, 0.5, 0.25, "a quarter of a pass"),
        (2.0, 0.0, 0.02, "nothing is never believed"),
        (2.0, 3.0, 1.0, "a pass of its own costs no more"),
    ],
)
def test_the_cost_is_that_of_warm_passes(
    alone: float, a_draft: float, cost: float, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(monkeypatch, alone, a_draft)
    assert measure_draft_cost(machine.read) == pytest.approx(cost), reason


def test_one_pass_that_something_else_held_up_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, 2.0, 0.5)
    machine.num_passes = 8

    def read(num_tokens: int) -> None:
        machine.read(num_tokens)
        if machine.num_passes == 12:
            machine._now += 100.0

    assert measure_draft_cost(read) == pytest.approx(0.25)
