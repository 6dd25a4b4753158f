"""How long to wait before the model is asked, on a clock that the test turns."""

from __future__ import annotations

import pytest

from lsp_server.completion.pace import MOST_SECONDS, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def paced(gap: float, latency: float, *, num: int = 10) -> tuple[Pace, Clock]:
    """Somebody typed at this gap, and the model took that long."""
    clock = Clock()
    pace = Pace(clock)
    for _ in range(num):
        clock.now += gap
        pace.typed()
        pace.answered(latency)
    return pace, clock


@pytest.mark.parametrize(
    ("gap", "latency", "wait", "reason"),
    [
        (0.2, 0.02, 0.04, "a fast model is asked as soon as may be"),
        (0.2, 0.3, 0.3, "a slow one when typing pauses"),
        (0.2, 0.15, 0.3, "an answer that nobody can see before the next key comes too late"),
        (0.5, 0.3, 0.04, "who types slowly sees a slow model's answers too"),
        (0.9, 1.5, MOST_SECONDS, "nobody waits for ever"),
    ],
)
def test_the_wait_follows_typing_and_latency(gap: float, latency: float, wait: float, reason: str) -> None:
    pace, _ = paced(gap, latency)
    assert pace.wait_seconds(0.04) == pytest.approx(wait), reason


def test_what_the_editor_has_waited_counts() -> None:
    pace, clock = paced(0.2, 0.3)
    clock.now += 0.1
    assert pace.wait_seconds(0.04) == pytest.approx(0.2)
    clock.now += 1
    assert pace.wait_seconds(0.04) == 0


def test_pauses_are_no_typing() -> None:
    pace, clock = paced(0.2, 0.3)
    for _ in range(20):
        clock.now += 60
        pace.typed()
    assert pace.wait_seconds(0.04) == pytest.approx(0.3)


def test_a_few_keys_say_nothing_yet() -> None:
    pace, _ = paced(0.2, 0.3, num=3)
    assert pace.wait_seconds(0.04) == pytest.approx(0.04)
    assert Pace(Clock()).wait_seconds(0.04) == pytest.approx(0.04), "a question without a key before it"


def test_the_pace_follows_a_change() -> None:
    pace, clock = paced(0.2, 0.02)
    for _ in range(30):
        clock.now += 0.1
        pace.typed()
    assert pace.wait_seconds(0.04) == pytest.approx(0.15), "no answer is seen between keys that fast"


def test_no_wait_means_none() -> None:
    pace, _ = paced(0.2, 0.3)
    assert pace.wait_seconds(0) == 0
