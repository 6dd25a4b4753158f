from __future__ import annotations

from benchmarks.engine.rounds import NEW_TOKENS, Plan
from benchmarks.engine.texts import typed_length

PLAN = Plan(rounds=1, requests=10, cold_requests=1, places=1, contexts=(256, 900), cold_tokens=900)


def test_a_large_window_is_used_as_planned() -> None:
    assert PLAN.fitting(1024) == PLAN


def test_contexts_shrink_to_the_window_with_room_to_type_and_answer() -> None:
    plan = PLAN.fitting(512)
    assert plan.contexts[0] == 256
    assert typed_length(plan.contexts[1], 20) + NEW_TOKENS == 512
    assert plan.cold_tokens == 511


def test_contexts_that_shrink_to_the_same_are_measured_once() -> None:
    assert len(PLAN.fitting(128).contexts) == 1
