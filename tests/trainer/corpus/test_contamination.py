"""Text of benchmarks is found in documents, whatever its layout, and named."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from lsp_server.errors import CorpusError
from trainer.corpus.config import CorpusConfig
from trainer.corpus.contamination import Benchmarks, Problem, load_problems

SOLUTION = (
    "def running_total(numbers):\n    total = 0\n"
    "    for number in numbers:\n        total += number\n        yield total\n"
)


def benchmarks(*texts: str) -> Benchmarks:
    return Benchmarks.of([Problem(name=f"made:{number}", text=text) for number, text in enumerate(texts)], 10)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"import os\n\n\n{SOLUTION}\n\nprint(1)\n", "made:0"),
        (SOLUTION.replace("    ", "\t").upper(), "made:0"),  # layout and case hide nothing
        (SOLUTION.replace("total", "sum"), None),
        ("x = 1\n", None),
        ("", None),
    ],
)
def test_a_shared_run_of_words_is_found(text: str, problem: str | None) -> None:
    assert benchmarks(SOLUTION).find(text) == problem


def test_the_problem_that_is_shared_is_named() -> None:
    other = "one two three four five six seven eight nine ten eleven"
    assert benchmarks(SOLUTION, other).find(f"# {other}\n") == "made:1"


def test_short_problems_are_counted_and_find_nothing() -> None:
    short = benchmarks("return x + 1")
    assert short.num_short == 1
    assert short.find("return x + 1") is None


@pytest.mark.parametrize("name", ["eval.jsonl", "eval.jsonl.gz"])
def test_fields_of_a_file_make_one_text(tmp_path: Path, name: str) -> None:
    rows = [{"task_id": "HumanEval/0", "prompt": "def f(x):", "canonical_solution": "    return x", "test": "assert"}]
    content = "\n".join(map(json.dumps, rows)).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    (problem,) = load_problems(CorpusConfig(decontaminate=(str(tmp_path / name),)))
    assert problem == Problem(name=f"{name}:HumanEval/0", text="def f(x):\n    return x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"question": "?"}\n', "has none of the fields 'prompt'"),
        (b"no json\n", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_a_file_without_problems_is_an_error(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "eval.jsonl"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CorpusError, match=message):
        load_problems(CorpusConfig(decontaminate=(str(file),)))
