"""pass@k: samples of a model, or the benchmark's own solutions, run in the sandbox. Owns the estimate."""

from __future__ import annotations

import asyncio
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

from tqdm import tqdm

from trainer.evaluate.code.problems import Problem
from trainer.evaluate.code.sandbox import Outcome, Sandbox
from trainer.evaluate.metrics import Mean
from trainer.evaluate.respondent import Draw, Respondent, open_respondent

KS = (1, 10, 100)
_AT_ONCE = 4
"""Problems in front of the engine, which reads their next tokens in one pass."""
_SEEDS_APART = 100_000
"""Between two problems: no two samples share a seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One problem's samples."""

    problem: Problem
    answers: tuple[str, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def num_passed(self) -> int:
        return sum(outcome.passed for outcome in self.outcomes)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFigures:
    """One benchmark, or one part of it."""

    num_problems: int
    num_samples: int
    """Of each problem."""
    temperature: float
    top_p: float
    seed: int
    pass_at: dict[str, Mean]
    """By k; the error is over problems."""
    exact: Mean
    """Samples that equal the benchmark's own solution, white space at the ends aside."""
    verdicts: dict[str, int]


def pass_at_k(num_samples: int, num_passed: int, k: int) -> float:
    """The chance that one of k samples passes, without bias. Source: arXiv 2107.03374, equation 1."""
    num_failed = num_samples - num_passed
    if num_failed < k:
        return 1.0
    return 1.0 - prod((num_failed - i) / (num_samples - i) for i in range(k))


def sample(bundle: Path | None, problems: Sequence[Problem], draw: Draw) -> list[tuple[str, ...]]:
    """A model's answers to every problem; the same seed draws the same answers on the same machine."""
    return asyncio.run(_sample(bundle, problems, draw))


def judge(problems: Sequence[Problem], answers: Sequence[Sequence[str]], sandbox: Sandbox) -> list[Judged]:
    """Run every answer's program once, equal ones together."""
    programs = [[problem.program(answer) for answer in given] for problem, given in zip(problems, answers, strict=True)]
    distinct = list(dict.fromkeys(program for each in programs for program in each))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ran = tqdm(pool.map(sandbox.run, distinct), desc="running", total=len(distinct), unit="program", delay=2)
        outcomes = dict(zip(distinct, ran, strict=True))
    return [
        Judged(problem=problem, answers=tuple(given), outcomes=tuple(outcomes[program] for program in each))
        for problem, given, each in zip(problems, answers, programs, strict=True)
    ]


def figures_by_group(judged: Sequence[Judged], draw: Draw) -> dict[str, CodeFigures]:
    """What it comes to, for each benchmark or part of one."""
    groups: dict[str, list[Judged]] = defaultdict(list)
    for each in judged:
        groups[each.problem.group].append(each)
    return {group: _figures(members, draw) for group, members in groups.items()}


def _figures(judged: Sequence[Judged], draw: Draw) -> CodeFigures:
    num = len(judged[0].answers)
    return CodeFigures(
        num_problems=len(judged),
        num_samples=num,
        temperature=draw.temperature,
        top_p=draw.top_p,
        seed=draw.seed,
        pass_at={str(k): Mean.of([pass_at_k(num, each.num_passed, k) for each in judged]) for k in KS if k <= num},
        exact=Mean.of([_exact(each) for each in judged]),
        verdicts=dict(Counter(outcome.verdict for each in judged for outcome in each.outcomes)),
    )


def _exact(judged: Judged) -> float:
    wanted = judged.problem.canonical.strip()
    return sum(answer.strip() == wanted for answer in judged.answers) / len(judged.answers)


async def _sample(bundle: Path | None, problems: Sequence[Problem], draw: Draw) -> list[tuple[str, ...]]:
    turns = asyncio.Semaphore(_AT_ONCE)
    async with open_respondent(bundle) as respondent:
        with tqdm(total=len(problems), desc="samples", unit="problem", delay=2) as bar:

            async def ask(number: int, problem: Problem) -> tuple[str, ...]:
                async with turns:
                    own = replace(draw, seed=draw.seed + number * _SEEDS_APART)
                    answers = await _ask(respondent, problem, own)
                    bar.update()
                    return answers

            return await asyncio.gather(*(ask(number, problem) for number, problem in enumerate(problems)))


async def _ask(respondent: Respondent, problem: Problem, draw: Draw) -> tuple[str, ...]:
    if problem.suffix:
        texts = await respondent.infill(problem.prompt, problem.suffix, draw)
    else:
        texts = await respondent.go_on(problem.prompt, draw, problem.stops)
    return tuple(problem.answer(text) for text in texts)
