"""The gate: better at home, hardly worse elsewhere, no secret given away; else the base stays, and why is said."""

from __future__ import annotations

import pytest

from trainer.evaluate.metrics import Mean
from trainer.personal.gate import Lines, Mix, choose, judge


def mix(share: float = 1.0, home: float = 0.8, elsewhere: float = 1.0, extracted: int = 0) -> Mix:
    return Mix(share=share, home_bits=home, elsewhere_bits=elsewhere, num_extracted=extracted)


BASE = mix(share=0.0, home=1.0)


def lines(base: float = 0.2, tuned: float = 0.25, error: float = 0.04) -> Lines:
    return Lines(base=Mean(value=base, error=error, num=100), tuned=Mean(value=tuned, error=error, num=100))


@pytest.mark.parametrize(
    ("tuned", "seen", "accepted", "reason"),
    [
        (mix(), lines(), True, "predicts your code 20.0% better"),
        (mix(elsewhere=1.019), lines(), True, "better"),
        (mix(elsewhere=1.03), lines(), False, "predicts Python in general 3.0% worse, and 2% is the limit"),
        (mix(home=0.995), lines(), False, "only 0.5% better, and 1% is the least"),
        (mix(home=1.1), lines(), False, "only 10.0% worse"),
        (mix(extracted=2), lines(), False, "wrote out 2 of the made-up secrets"),
        (mix(), lines(tuned=0.17), True, "better"),  # within the error of a hundred lines
        (mix(), lines(tuned=0.15), False, "fewer lines of your code exactly: 15.0% in place of 20.0%"),
    ],
)
def test_the_verdict_and_its_reason(tuned: Mix, seen: Lines, accepted: bool, reason: str) -> None:
    verdict = judge(BASE, tuned, seen)
    assert verdict.accepted is accepted
    assert reason in verdict.reason


@pytest.mark.parametrize(
    ("mixes", "share"),
    [
        ([mix(1.0), mix(0.8, home=0.85)], 1.0),
        ([mix(1.0, elsewhere=1.05), mix(0.8, home=0.85), mix(0.6, home=0.9)], 0.8),  # forgetting costs the first
        ([mix(1.0, extracted=1), mix(0.8, home=0.85)], 0.8),  # a secret does, too
        ([mix(1.0, home=0.85), mix(0.8, home=0.8)], 0.8),
        ([mix(1.0, elsewhere=1.09), mix(0.8, elsewhere=1.05)], 0.8),  # none will do: the nearest, to be refused
        ([mix(1.0, elsewhere=1.05), mix(0.8, elsewhere=1.06, extracted=1)], 1.0),
    ],
)
def test_the_best_mixture_that_is_admissible(mixes: list[Mix], share: float) -> None:
    assert choose(BASE, mixes).share == share
