from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.model import programs
from benchmarks.model.plan import HUMANEVAL, SINGLE_LINE, USUAL
from benchmarks.report import Figure
from lsp_server.errors import EvaluationError
from lsp_server.model.bundle import EMBEDDED
from trainer.evaluate.code.problems import Problem
from trainer.evaluate.code.sandbox import open_sandbox
from trainer.evaluate.respondent import Draw

from .test_plan import PROBLEM, written

RIGHT, WRONG = "    return 2 * n\n", "    return n\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four problems of HumanEval's kind, and two of infilling."""
    written(tmp_path, HUMANEVAL, [{**PROBLEM, "task_id": f"HumanEval/{number}"} for number in range(4)])
    entries = [{**PROBLEM, "task_id": f"SingleLineInfilling/{number}", "suffix": "\n"} for number in range(2)]
    written(tmp_path, SINGLE_LINE, entries)
    return tmp_path


@pytest.fixture
def figures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    """What comes of a model whose first answer to one problem of four is right, and of several samples one in ten."""

    def answer(_model: Path | None, problems: Sequence[Problem], draw: Draw) -> list[tuple[str, ...]]:
        first = [(RIGHT,), *([(WRONG,)] * (len(problems) - 1))]
        return first if draw.num == 1 else [(RIGHT, *([WRONG] * (draw.num - 1)))] * len(problems)

    monkeypatch.setattr(programs, "sample", answer)
    monkeypatch.setattr(programs, "open_sandbox", lambda seconds: open_sandbox(seconds, unsafe=True))  # answers of ours
    plan = replace(USUAL, infilling=(SINGLE_LINE,))
    lines, results = programs.run_programs(EMBEDDED, folder, plan, 0)
    assert len(results) == 3
    return {line.name: line for line in lines}


def test_pass_at_1_is_the_greedy_answers_and_pass_at_10_the_samples(figures: dict[str, Figure]) -> None:
    assert figures["HumanEval pass@1, greedy"].value == 25
    assert figures["HumanEval pass@1, greedy"].target == 3.8
    assert figures["HumanEval pass@10, 10 samples at 0.4"].value == 100
    assert figures["HumanEval pass@1, 10 samples at 0.4"].value == pytest.approx(10)
    assert figures["HumanEval pass@1, 10 samples at 0.4"].target is None, "one aim, one figure"


def test_each_stands_beside_the_published_figure_that_is_nearest_above(figures: dict[str, Figure]) -> None:
    assert figures["HumanEval pass@1, 10 samples at 0.4"].peer == "Codex 300M"
    assert figures["HumanEval pass@1, greedy"].peer == "Codex 300M", "none is above"
    assert figures["SingleLineInfilling pass@1, greedy"].peer_value == 62.2


def test_infilling_is_also_judged_by_what_it_gives_exactly(figures: dict[str, Figure]) -> None:
    exact = figures["SingleLineInfilling exact, 2"]
    assert (exact.value, exact.target, exact.verdict) == (50, 20, "ok")


def test_without_a_sandbox_nothing_is_sampled(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_seconds: float) -> None:
        raise EvaluationError("no bubblewrap (bwrap) here")

    monkeypatch.setattr(programs, "open_sandbox", refuse)
    monkeypatch.setattr(programs, "sample", lambda *_: pytest.fail("asked the model"))
    assert programs.run_programs(EMBEDDED, folder, USUAL, 0) == ([], {})
    assert "programs are not run: no bubblewrap" in capsys.readouterr().out
