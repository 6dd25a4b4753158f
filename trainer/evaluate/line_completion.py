"""The line task: from a cursor somewhere in a line of an unseen file, complete that line. Uses the shipped pipeline.

The cursor never stands inside a word. The file goes on below the line, as it does in an editor.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from tqdm import tqdm

from lsp_server.assembly import make_engine, open_completer
from lsp_server.completion.snapshot import Snapshot
from lsp_server.engine.choice import EngineChoice
from lsp_server.settings import LengthMode, Settings
from trainer.corpus import Document
from trainer.evaluate.baselines import copy_line

SHORTEST_TARGET = 4
"""Characters; a closing bracket alone is nothing to be proud of."""
LONGEST_TARGET = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class LineTask:
    """A file with a hole from the cursor to the end of its line."""

    path: str
    before: str
    target: str
    after: str
    """From the line's end on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineAnswer:
    """One task with what was proposed."""

    task: LineTask
    proposed: str
    copied: str

    @property
    def is_exact(self) -> bool:
        return self.proposed.strip() == self.task.target.strip()

    @property
    def copy_is_exact(self) -> bool:
        return self.copied.strip() == self.task.target.strip()

    @property
    def edit_similarity(self) -> float:
        """0 to 1."""
        return SequenceMatcher(None, self.proposed.strip(), self.task.target.strip(), autojunk=False).ratio()


def draw_tasks(documents: Sequence[Document], count: int, seed: int) -> list[LineTask]:
    """Tasks spread over the documents in proportion to their lines; the same seed draws the same tasks."""
    source = random.Random(seed)
    cursors = [(document, cursor) for document in documents for cursor in _cursors(document.text, source)]
    return [_task(document, *cursor) for document, cursor in source.sample(cursors, min(count, len(cursors)))]


def _cursors(text: str, source: random.Random) -> list[tuple[int, int]]:
    """For each line that can be asked for, one cursor and the line's end."""
    cursors, start = [], 0
    for line in text.split("\n"):
        end = start + len(line.rstrip())
        first = start + len(line) - len(line.lstrip())
        places = [at for at in range(first, end - SHORTEST_TARGET + 1) if _is_between_words(text, at)]
        if places:
            cursor = source.choice(places)
            if end - cursor <= LONGEST_TARGET:
                cursors.append((cursor, end))
        start += len(line) + 1
    return cursors


def _is_between_words(text: str, at: int) -> bool:
    return not (_is_word(text[at - 1 : at]) and _is_word(text[at : at + 1]))


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _task(document: Document, cursor: int, end: int) -> LineTask:
    text = document.text
    return LineTask(path=document.path, before=text[:cursor], target=text[cursor:end], after=text[end:])


def answer_tasks(bundle: Path, tasks: Sequence[LineTask]) -> list[LineAnswer]:
    """Complete every task greedily with the bundle's model."""
    return asyncio.run(_answer_tasks(bundle, tasks))


async def _answer_tasks(path: Path, tasks: Sequence[LineTask]) -> list[LineAnswer]:
    engine = make_engine(EngineChoice(model=path), in_process=True)
    completer = open_completer(path, engine)
    settings = Settings(length=LengthMode.LINE, temperature=0.0, deadline_ms=60_000)
    answers = []
    try:
        await engine.reload(None)  # has its turn when the model is loaded; a completion before that would be refused
        for number, task in enumerate(tqdm(tasks, desc="line completion", unit="task", delay=2)):
            snapshot = Snapshot(
                uri=f"task-{number}", language="python", text=task.before + task.after, offset=len(task.before)
            )
            suggestions = await completer.suggest(snapshot, settings, automatic=True)
            proposed = suggestions[0].text if suggestions else ""
            answers.append(LineAnswer(task=task, proposed=proposed, copied=copy_line(task.before, task.after)))
    finally:
        await engine.close()
    return answers
