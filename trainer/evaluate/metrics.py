"""How good one answer to a task is, and the mean of many. Pure text; knows no model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from math import sqrt

from trainer.evaluate.tasks import Task, parses


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One answer beside what stood in the file. White space around either never counts."""

    exact: bool
    edit_similarity: float
    """0 to 1: twice the characters in common, in order, by all characters of both (difflib's ratio)."""
    first_line: bool
    """The first line is right, whatever follows it."""
    kept: float
    """Share of the target's characters that need not be typed: those before the answer's first wrong character. A user
    who accepts the answer and goes on typing from its first mistake keeps exactly these."""
    parses: bool | None
    """Whether the file with the answer in place is Python; None where it was none with the original text either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A mean over tasks, with one standard error; tasks of one file are taken for independent."""

    value: float = 0.0
    error: float = 0.0
    num: int = 0

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        if not values:
            return cls()
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / len(values)
        return cls(value=mean, error=sqrt(variance / len(values)), num=len(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """The means of one kind of task for one way to answer."""

    exact: Mean
    edit_similarity: Mean
    first_line: Mean
    kept: Mean
    parses: Mean
    """Over the tasks whose files parse with the original text."""

    @classmethod
    def of(cls, scores: Iterable[Score]) -> Means:
        scores = list(scores)
        return cls(
            exact=Mean.of([score.exact for score in scores]),
            edit_similarity=Mean.of([score.edit_similarity for score in scores]),
            first_line=Mean.of([score.first_line for score in scores]),
            kept=Mean.of([score.kept for score in scores]),
            parses=Mean.of([score.parses for score in scores if score.parses is not None]),
        )


def judge(task: Task, proposed: str) -> Score:
    """Compare an answer with the task's target, and parse the file with it in place."""
    answer, target = proposed.strip(), task.target.strip()
    exact = answer == target
    return Score(
        exact=exact,
        edit_similarity=1.0 if exact else SequenceMatcher(None, answer, target, autojunk=False).ratio(),
        first_line=answer.split("\n", 1)[0].rstrip() == target.split("\n", 1)[0].rstrip(),
        kept=num_equal(answer, target) / len(target),
        parses=_parses(task, proposed),
    )


def num_equal(answer: str, target: str) -> int:
    """Characters before the first difference."""
    pairs = enumerate(zip(answer, target, strict=False))
    return next((number for number, (ours, theirs) in pairs if ours != theirs), min(len(answer), len(target)))


def _parses(task: Task, proposed: str) -> bool | None:
    if parses(task.before + proposed + task.after):
        return True
    return False if parses(task.before + task.target + task.after) else None
