"""Completion tasks answered by a model and by the baselines, and what that comes to. Owns no file and no table."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from trainer.corpus import Document
from trainer.evaluate.baselines import copy, ngram
from trainer.evaluate.metrics import Means, Score, judge
from trainer.evaluate.respondent import open_respondent
from trainer.evaluate.tasks import Task, draw_tasks
from trainer.task_kinds import Kind

MODEL = "model"
BASELINES = {"copy": copy, "6-gram": ngram}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One task with what each way to answer proposed, and how good that is."""

    task: Task
    proposed: dict[str, str]
    """By `MODEL` and the names of `BASELINES`."""
    scores: dict[str, Score]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindFigures:
    """One kind of task: every way to answer, and the model by source."""

    num_tasks: int
    by_way: dict[str, Means]
    by_source: dict[str, Means]


def answer_tasks(model: Path, tasks: Sequence[Task]) -> list[Answer]:
    """Complete every task greedily with the model, and with the baselines."""
    proposed = asyncio.run(_ask_all(model, tasks)) if tasks else []
    progress = tqdm(zip(tasks, proposed, strict=True), desc="scores", total=len(tasks), unit="task", delay=2)
    return [_answer(task, text) for task, text in progress]


def draw_all_tasks(documents: Sequence[Document], kinds: Sequence[Kind], count: int, seed: int) -> list[Task]:
    """`count` tasks of each kind."""
    return [task for kind in kinds for task in draw_tasks(documents, kind, count, seed)]


def figures_by_kind(answers: Sequence[Answer]) -> dict[str, KindFigures]:
    """What the answers come to, for each kind there is."""
    groups: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        groups[answer.task.kind].append(answer)
    return {kind: _kind_figures(group) for kind, group in groups.items()}


async def _ask_all(model: Path, tasks: Sequence[Task]) -> list[str]:
    async with open_respondent(model) as respondent:
        return [await respondent.answer(task) for task in tqdm(tasks, desc="completion", unit="task", delay=2)]


def _answer(task: Task, text: str) -> Answer:
    proposed = {MODEL: text, **{name: answer(task) for name, answer in BASELINES.items()}}
    return Answer(task=task, proposed=proposed, scores={way: judge(task, each) for way, each in proposed.items()})


def _kind_figures(answers: Sequence[Answer]) -> KindFigures:
    by_source: dict[str, list[Score]] = defaultdict(list)
    for answer in answers:
        by_source[answer.task.source].append(answer.scores[MODEL])
    ways = answers[0].scores
    return KindFigures(
        num_tasks=len(answers),
        by_way={way: Means.of(answer.scores[way] for answer in answers) for way in ways},
        by_source={source: Means.of(scores) for source, scores in sorted(by_source.items())},
    )
