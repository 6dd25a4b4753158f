"""How much is measured, and which published benchmarks are there. Measures nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainer.evaluate.code.problems import Benchmark, Problem, read_problems

HUMANEVAL = "HumanEval.jsonl"
SINGLE_LINE = "HumanEval-SingleLineInfilling.jsonl"
MULTI_LINE = "HumanEval-MultiLineInfilling.jsonl"
RANDOM_SPAN = "HumanEval-RandomSpanInfilling.jsonl"
MBPP = "mbpp.jsonl"
SOURCES = {
    HUMANEVAL: "https://github.com/openai/human-eval",
    SINGLE_LINE: "https://github.com/openai/human-eval-infilling",
    MULTI_LINE: "https://github.com/openai/human-eval-infilling",
    RANDOM_SPAN: "https://github.com/openai/human-eval-infilling",
    MBPP: "https://github.com/google-research/google-research/tree/master/mbpp",
}
"""Where each file is published; a plain one or a `.gz` will do."""
_KINDS: dict[str, Benchmark] = {HUMANEVAL: "humaneval", MBPP: "mbpp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured, and how much of it."""

    max_bytes: int
    """Of held-out text."""
    tasks: int
    """Completions of each kind."""
    infilling: tuple[str, ...]
    """Files of infilling problems."""
    problems: int
    """Of each of these and of MBPP, spread over the file; 0 is all."""
    humaneval_problems: int = 0
    """0 is all, as for any figure that is to stand beside others'."""
    samples: int
    """Of each HumanEval problem, for pass@k; pass@1 is also that of the greedy answer."""
    with_mbpp: bool


USUAL = Plan(
    max_bytes=1_000_000,
    tasks=400,
    infilling=(SINGLE_LINE, RANDOM_SPAN),
    problems=200,
    samples=10,
    with_mbpp=False,
)
"""Under 20 minutes on two cores."""
FULL = Plan(
    max_bytes=10_000_000,
    tasks=1000,
    infilling=(SINGLE_LINE, MULTI_LINE, RANDOM_SPAN),
    problems=0,
    samples=100,
    with_mbpp=True,
)


def find_benchmark(folder: Path | None, name: str) -> Path | None:
    """The file of a benchmark anywhere in a folder, plain or `.gz`; None where it is not there."""
    if folder is None:
        return None
    found = sorted(path for pattern in (name, f"{name}.gz") for path in folder.rglob(pattern) if path.is_file())
    return found[0] if found else None


def spread(problems: list[Problem], most: int) -> list[Problem]:
    """So many of them, from the whole file: neighbours are cut from one program."""
    if not most or most >= len(problems):
        return problems
    return [problems[number * len(problems) // most] for number in range(most)]


def problems_of(path: Path, name: str, most: int = 0) -> list[Problem]:
    """What a benchmark's file asks. Raises: EvaluationError."""
    return spread(read_problems(_KINDS.get(name, "infilling"), path), most)
