from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import pytest

from benchmarks.model.__main__ import main, plan_of
from benchmarks.model.plan import FULL, HUMANEVAL, MBPP, SINGLE_LINE, USUAL, find_benchmark, problems_of, spread
from benchmarks.model.programs import run_programs
from lsp_server.model.bundle import EMBEDDED

PROBLEM = {
    "prompt": "def twice(n):\n",
    "entry_point": "twice",
    "canonical_solution": "    return 2 * n\n",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n",
}


def written(folder: Path, name: str, entries: list[dict[str, str]]) -> Path:
    folder.mkdir(exist_ok=True)
    text = "".join(json.dumps(entry) + "\n" for entry in entries)
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def test_a_benchmark_is_found_wherever_it_lies_and_only_by_its_whole_name(tmp_path: Path) -> None:
    written(tmp_path / "a", "HumanEval-SingleLineInfillingLight.jsonl.gz", [])
    packed = written(tmp_path / "b", f"{HUMANEVAL}.gz", [])
    assert find_benchmark(tmp_path, HUMANEVAL) == packed
    plain = written(tmp_path / "a", HUMANEVAL, [])
    assert find_benchmark(tmp_path, HUMANEVAL) == plain, "the first by its path"
    assert find_benchmark(tmp_path, SINGLE_LINE) is None
    assert find_benchmark(None, HUMANEVAL) is None


def test_problems_are_taken_from_the_whole_file(tmp_path: Path) -> None:
    entries = [{**PROBLEM, "task_id": f"SingleLineInfilling/{number}", "suffix": "\n"} for number in range(10)]
    problems = problems_of(written(tmp_path, SINGLE_LINE, entries), SINGLE_LINE)
    assert [each.name.partition("/")[2] for each in spread(problems, 4)] == ["0", "2", "5", "7"]
    assert spread(problems, 0) == spread(problems, 10) == spread(problems, 99) == problems
    assert problems[0].group == "SingleLineInfilling"
    assert problems[0].one_line


def options(**given: object) -> argparse.Namespace:
    names = ("full", "max_bytes", "tasks", "samples", "problems")
    return argparse.Namespace(**{**dict.fromkeys(names), **given})


def test_what_is_given_takes_the_place_of_what_is_usual() -> None:
    assert plan_of(options()) == USUAL
    assert plan_of(options(full=True)) == FULL
    tried = plan_of(options(problems=2, tasks=0))
    assert (tried.problems, tried.humaneval_problems, tried.tasks, tried.samples) == (2, 2, 0, USUAL.samples)


def test_the_full_measurement_leaves_nothing_out() -> None:
    assert (FULL.problems, FULL.humaneval_problems) == (0, 0)
    assert set(USUAL.infilling) < set(FULL.infilling)
    assert FULL.with_mbpp


def test_what_is_not_there_is_named_with_where_it_is_published(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in (None, tmp_path):
        assert run_programs(EMBEDDED, folder, FULL, 0) == ([], {})
        said = capsys.readouterr().out.splitlines()
        assert len(said) == 5
        assert said[0].startswith("HumanEval.jsonl is left out: ")
        assert said[0].endswith("https://github.com/openai/human-eval")
        assert MBPP in said[-1]


def test_a_folder_that_is_none_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--benchmarks", str(tmp_path / "none")])
    assert "is no folder: name the one with HumanEval.jsonl.gz" in capsys.readouterr().err
