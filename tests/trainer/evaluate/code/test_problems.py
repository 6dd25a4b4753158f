from __future__ import annotations

from pathlib import Path

import pytest

from lsp_server.errors import EvaluationError
from trainer.evaluate.code.problems import Benchmark, read_problems


def test_humaneval_is_a_prompt_and_tests_behind_the_answer(humaneval: Path) -> None:
    first, _second = read_problems("humaneval", humaneval)
    assert first.program("    return 0\n").startswith(first.prompt + "    return 0\n")
    assert first.program("").endswith("check(twice)\n")
    assert "\ndef" in first.stops


def test_mbpp_is_judged_on_its_test_split_and_shows_its_tests_in_the_prompt(mbpp: Path) -> None:
    problems = read_problems("mbpp", mbpp)
    assert [problem.name for problem in problems] == ["MBPP/11", "MBPP/510"]
    assert "negate a number.\nassert negate(1) == -1" in problems[0].prompt
    assert "\r" not in problems[0].canonical
    assert len(read_problems("mbpp", mbpp, every=True)) == 4


def test_infilling_stands_between_prompt_and_suffix_by_part(infilling: Path) -> None:
    single, multi = read_problems("infilling", infilling)
    assert (single.group, multi.group) == ("SingleLineInfilling", "MultiLineInfilling")
    assert single.program("MIDDLE\n").startswith("def twice(n):\nMIDDLE\n    return m + n\n")


def test_a_single_lines_answer_ends_with_it_and_others_go_on(infilling: Path) -> None:
    single, multi = read_problems("infilling", infilling)
    assert single.answer("    m = n\n    k = n\n") == "    m = n\n"
    assert single.answer("\n    m = n\n    k = n\n") == "\n    m = n\n"
    assert single.answer("m") == "m"
    assert multi.answer("    m = n\n    k = n\n") == "    m = n\n    k = n\n"


@pytest.mark.parametrize("benchmark", ["humaneval", "infilling"])
def test_another_benchmarks_file_is_refused_by_the_key_it_lacks(mbpp: Path, benchmark: Benchmark) -> None:
    with pytest.raises(EvaluationError, match=f"is not {benchmark}: an entry has no '"):
        read_problems(benchmark, mbpp)


@pytest.mark.parametrize("content", [b"{", b"\x1f\x8b broken", b"\xff", b"", b"3\n"])
def test_a_file_that_is_no_benchmark_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(EvaluationError, match=r"bad\.jsonl") as caught:
        read_problems("humaneval", path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"none\.jsonl"):
        read_problems("humaneval", tmp_path / "none.jsonl")
