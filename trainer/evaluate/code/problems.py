"""HumanEval, MBPP and HumanEval-infilling as files on disk, and the rules by which an answer is cut and made a program.

    humaneval   prompt -> the function's body, greedy or sampled, left to right. Cut at the first of HUMANEVAL_STOPS.
    mbpp        a docstring with the task and its tests -> the code, without examples (zero-shot). Cut at MBPP_STOPS.
                Judged on the published test split, tasks 11 to 510, where the file holds any of them.
    infilling   prompt and suffix -> the middle, until the model ends it; in single-line tasks, to the end of the line.

Sources: HumanEval and its stops, arXiv 2107.03374; MBPP and its split, arXiv 2108.07732; infilling, arXiv 2207.14255.
Knows no model and runs nothing.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lsp_server.errors import EvaluationError
from lsp_server.model.blocks import line_end

Benchmark = Literal["humaneval", "mbpp", "infilling"]
HUMANEVAL_STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint", "\n@")
"""Codex's, and CodeParrot's `\\n@`: what begins at the margin is no longer the function's body."""
MBPP_STOPS = ("\nassert", '\n"""', "\nprint", "\nif ")
"""Here functions and classes beside the one asked for may be part of the answer."""
MBPP_TEST_SPLIT = range(11, 511)
_Record = Mapping[str, Any]  # Any: JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One task: what the model sees, and how its answer is tested."""

    name: str
    group: str
    """The benchmark, or the part of it, that its figures belong to."""
    prompt: str
    suffix: str = ""
    canonical: str
    stops: tuple[str, ...] = ()
    one_line: bool = False
    tests: str
    """Run behind prompt, answer and suffix."""

    def answer(self, text: str) -> str:
        """The part of a model's text that counts."""
        end = line_end(text) if self.one_line else None
        return text if end is None else text[: end + 1]

    def program(self, answer: str) -> str:
        """The answer in its place, with the tests behind it."""
        return f"{self.prompt}{answer}{self.suffix}\n{self.tests}\n"


def read_problems(benchmark: Benchmark, path: Path, *, every: bool = False) -> list[Problem]:
    """The problems of a JSONL file, plain or `.gz`; `every` keeps those outside MBPP's test split.

    Raises: EvaluationError for a file that cannot be read, or is not this benchmark.
    """
    records = _read_records(path)
    if benchmark == "mbpp" and not every:
        records = [each for each in records if each.get("task_id") in MBPP_TEST_SPLIT] or records
    try:
        problems = [_MAKERS[benchmark](record) for record in records]
    except (KeyError, TypeError, AttributeError) as error:
        raise EvaluationError(f"{path} is not {benchmark}: an entry has no {error}") from error
    if not problems:
        raise EvaluationError(f"{path} holds no problem: give a JSONL file of {benchmark}")
    return problems


def _read_records(path: Path) -> list[_Record]:
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode("utf-8")
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    except (OSError, EOFError, ValueError) as error:
        raise EvaluationError(f"benchmark {path} cannot be read ({error}): give a JSONL file, plain or .gz") from error


def _humaneval(record: _Record) -> Problem:
    return Problem(
        name=record["task_id"],
        group="HumanEval",
        prompt=record["prompt"],
        canonical=record["canonical_solution"],
        stops=HUMANEVAL_STOPS,
        tests=f"{record['test']}\ncheck({record['entry_point']})",
    )


def _mbpp(record: _Record) -> Problem:
    tests = "\n".join(record["test_list"])
    return Problem(
        name=f"MBPP/{record['task_id']}",
        group="MBPP",
        prompt=f'"""\n{_plain(record["text"])}\n{_plain(tests)}\n"""\n',
        canonical=_plain(record["code"]),
        stops=MBPP_STOPS,
        tests=f"{_plain(record['test_setup_code'])}\n{_plain(tests)}",
    )


def _infilling(record: _Record) -> Problem:
    group = record["task_id"].split("/", 1)[0]
    return Problem(
        name=record["task_id"],
        group=group,
        prompt=record["prompt"],
        suffix=record["suffix"],
        canonical=record["canonical_solution"],
        one_line=group.startswith("SingleLine"),
        tests=f"{record['test']}\ncheck({record['entry_point']})",
    )


_MAKERS: dict[Benchmark, Callable[[_Record], Problem]] = {
    "humaneval": _humaneval,
    "mbpp": _mbpp,
    "infilling": _infilling,
}


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")
