from __future__ import annotations

import pytest

from benchmarks.engine import figures, rounds
from benchmarks.engine.code_rounds import CODE, agreement
from benchmarks.engine.roster import FP32, LLAMA, OURS, OURS_DEFAULT
from benchmarks.engine.samples import Samples

PLAN = rounds.Plan(rounds=1, requests=2, cold_requests=1, places=1, contexts=(256,), cold_tokens=900)


def samples_of(values: dict[tuple[str, str], float]) -> Samples:
    samples = Samples()
    for (measurement, engine), seconds in values.items():
        samples.add(measurement, engine, [seconds])
    return samples


def test_each_peer_that_was_measured_gets_a_line_with_its_own_target() -> None:
    samples = samples_of({(CODE, OURS): 0.02, (CODE, LLAMA): 0.04, (CODE, FP32): 0.05})
    lines = {figure.peer: figure for figure in figures.code_figures(samples) if figure.name == CODE}
    assert lines.keys() == {FP32, LLAMA}
    assert (lines[LLAMA].ratio_target, lines[LLAMA].verdict) == (0.6, "ok")
    assert (lines[FP32].ratio_target, lines[FP32].verdict) == (0.2, "short")


def test_a_token_is_the_difference_beside_the_time_to_read_the_weights() -> None:
    samples = samples_of({(rounds.warm(256), OURS): 0.048, (rounds.first(256), OURS): 0.002})
    floor = figures.Floor(weight_bytes=20_000_000, bandwidths={"memory": 20e9})
    (line,) = figures.decoding(samples, 256, floor)
    assert line.value == pytest.approx(2.0)
    assert line.peer_value == pytest.approx(1.0)
    assert line.verdict == "ok"


def test_what_was_not_measured_has_no_line() -> None:
    floor = figures.Floor(weight_bytes=1, bandwidths={"memory": 1.0})
    assert figures.speed_figures(Samples(), PLAN, floor) == []


def test_a_peer_beside_a_busy_core_is_shown_but_not_judged() -> None:
    names = (OURS, OURS_DEFAULT, LLAMA)
    samples = samples_of(
        {(what, name): value for name in names for what, value in ((rounds.QUIET, 1.0), (rounds.COMPETING, 2.0))}
    )
    floor = figures.Floor(weight_bytes=1, bandwidths={})
    verdicts = [figure.verdict for figure in figures.speed_figures(samples, PLAN, floor)]
    assert verdicts == ["short", "short", ""]


def test_agreement_counts_first_tokens_and_whole_answers() -> None:
    answers = {FP32: [(1, 2), (3, 4)], OURS: [(1, 2), (3, 5)]}
    assert agreement(answers, FP32) == {OURS: {"first_token": 1.0, "all_tokens": 0.5}}
    assert agreement({OURS: [(1,)]}, FP32) == {}
