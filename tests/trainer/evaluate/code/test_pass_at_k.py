from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.model.bundle import Bundle
from trainer.evaluate.code.pass_at_k import figures_by_group, judge, pass_at_k, sample
from trainer.evaluate.code.problems import read_problems
from trainer.evaluate.code.results import read_results, write_results
from trainer.evaluate.code.sandbox import Outcome, Sandbox
from trainer.evaluate.respondent import Draw


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_share_of_all_draws_of_k_that_hold_a_passing_sample(case: tuple[int, int, int]) -> None:
    num_samples, num_passed, k = case
    draws = list(combinations([True] * num_passed + [False] * (num_samples - num_passed), k))
    assert pass_at_k(num_samples, num_passed, k) == pytest.approx(sum(map(any, draws)) / len(draws))


class FakeSandbox(Sandbox):
    """Passes programs that say so, and counts what it runs."""

    def __init__(self) -> None:
        super().__init__((), 1.0, is_safe=True)
        self.programs: list[str] = []

    def run(self, program: str) -> Outcome:
        self.programs.append(program)
        return Outcome(verdict="passed" if "good" in program else "failed")


def test_equal_programs_are_run_once_and_counted_each(humaneval: Path) -> None:
    sandbox = FakeSandbox()
    problems = read_problems("humaneval", humaneval)
    judged = judge(problems, [("good", "bad", "bad", "bad"), ("bad", "bad", "bad", "bad")], sandbox)
    figures = figures_by_group(judged, Draw(num=4, temperature=0.4))["HumanEval"]
    assert len(sandbox.programs) == 3
    assert figures.verdicts == {"passed": 1, "failed": 7}
    assert list(figures.pass_at) == ["1"]
    assert figures.pass_at["1"].value == pytest.approx(1 / 8)


@pytest.mark.parametrize("benchmark", ["humaneval", "mbpp", "infilling"])
def test_the_benchmarks_own_solutions_all_pass(
    benchmark: str, sandbox: Sandbox, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(benchmark)
    problems = read_problems(benchmark, path, every=True)  # type: ignore[arg-type]
    judged = judge(problems, [(problem.canonical,) for problem in problems], sandbox)
    assert all(each.num_passed == 1 for each in judged)
    assert all(entry.exact.value == 1 for entry in figures_by_group(judged, Draw()).values())


def test_a_bundle_answers_every_problem_the_same_from_the_same_seed(
    tiny_bundle: Bundle, humaneval: Path, infilling: Path
) -> None:
    problems = [*read_problems("humaneval", humaneval), *read_problems("infilling", infilling)]
    draw = Draw(num=2, temperature=1.0, seed=7, max_new_tokens=6)
    answers = sample(tiny_bundle.path, problems, draw)
    assert [len(each) for each in answers] == [2] * 4
    assert sample(tiny_bundle.path, problems, draw) == answers


def test_results_are_read_as_they_were_written_and_add_up(tmp_path: Path, humaneval: Path, infilling: Path) -> None:
    sandbox = FakeSandbox()
    for benchmark, path in (("humaneval", humaneval), ("infilling", infilling)):
        problems = read_problems(benchmark, path)  # type: ignore[arg-type]
        judged = judge(problems, [("good",)] * 2, sandbox)
        write_results(tmp_path, figures_by_group(judged, Draw()), judged)
    assert list(read_results(tmp_path)) == ["HumanEval", "SingleLineInfilling", "MultiLineInfilling"]
    assert read_results(tmp_path)["HumanEval"].pass_at["1"].value == 1.0
    assert '"verdict": "passed"' in (tmp_path / "samples.jsonl").read_text()
