"""Holes in unseen files, drawn from a seed: the rest of a line, the body of a block, a span of characters. No model.

    line    from a place in a line, never inside a word, to the line's end; SHORTEST to LONGEST_LINE characters
    word    the same from inside a word, where most keystrokes leave a cursor
    block   the body of a function, class, loop, branch or `with`, without its docstring; the cursor stands behind the
            first line's indentation, as an editor leaves it; up to MOST_BLOCK_LINES lines and LONGEST_BLOCK characters
    span    any characters of one function's body, begun and ended anywhere, inside words too; SHORTEST to LONGEST_SPAN

The file goes on below the hole, as it does in an editor. Blocks and spans are read off Python's own syntax tree, so
files that do not parse have only lines and words. Every hole of every file is as likely as every other.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from trainer.corpus import Document
from trainer.corpus.filters import parse
from trainer.task_kinds import Kind

SHORTEST = 4
"""Characters; a closing bracket alone is nothing to be proud of."""
LONGEST_LINE = 120
MOST_BLOCK_LINES = 10
LONGEST_BLOCK = 400
LONGEST_SPAN = 200
_Hole = tuple[int, int]
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_HAVE_DOCSTRINGS = (*_FUNCTIONS, ast.ClassDef)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A file with a hole at the cursor."""

    kind: Kind
    source: str
    path: str
    before: str
    target: str
    after: str


def draw_tasks(documents: Sequence[Document], kind: Kind, count: int, seed: int) -> list[Task]:
    """Tasks spread over the documents in proportion to their holes; the same seed draws the same tasks."""
    source = random.Random(seed)
    find = _FINDERS[kind]
    holes = [(document, hole) for document in documents for hole in find(document.text, source)]
    return [_task(kind, document, *hole) for document, hole in source.sample(holes, min(count, len(holes)))]


def parses(text: str) -> bool:
    """Whether Python's own parser takes it."""
    return parse(text) is not None


def _task(kind: Kind, document: Document, start: int, end: int) -> Task:
    text = document.text
    return Task(
        kind=kind,
        source=document.source,
        path=document.path,
        before=text[:start],
        target=text[start:end],
        after=text[end:],
    )


def _line_holes(text: str, source: random.Random) -> list[_Hole]:
    return _holes_in_lines(text, source, inside_words=False)


def _word_holes(text: str, source: random.Random) -> list[_Hole]:
    return _holes_in_lines(text, source, inside_words=True)


def _holes_in_lines(text: str, source: random.Random, *, inside_words: bool) -> list[_Hole]:
    """For each line that can be asked for, one cursor and the line's end."""
    holes, start = [], 0
    for line in text.split("\n"):
        end = start + len(line.rstrip())
        first = start + len(line) - len(line.lstrip())
        places = [at for at in range(first, end - SHORTEST + 1) if _is_inside_word(text, at) == inside_words]
        if places:
            cursor = source.choice(places)
            if end - cursor <= LONGEST_LINE:
                holes.append((cursor, end))
        start += len(line) + 1
    return holes


def _is_inside_word(text: str, at: int) -> bool:
    return _is_word(text[at - 1 : at]) and _is_word(text[at : at + 1])


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _block_holes(text: str, _source: random.Random) -> list[_Hole]:
    """Every body that begins and ends with whole lines and is neither too long nor too short."""
    starts = _line_starts(text)
    holes = []
    for _node, body in _bodies(text):
        first, last = _first_line(body[0]), body[-1].end_lineno or 0
        line = text[starts[first - 1] : starts[first]]
        start = starts[first - 1] + len(line) - len(line.lstrip())
        end = starts[first - 1] + len(text[starts[first - 1] : starts[last]].rstrip())
        if last - first < MOST_BLOCK_LINES and SHORTEST <= end - start <= LONGEST_BLOCK:
            holes.append((start, end))
    return holes


def _span_holes(text: str, source: random.Random) -> list[_Hole]:
    """One span for each function: its length is uniform, then its place."""
    starts = _line_starts(text)
    holes = []
    for node, body in _bodies(text):
        low, high = starts[_first_line(body[0]) - 1], starts[body[-1].end_lineno or 0] - 1
        if not isinstance(node, _FUNCTIONS) or body[0] not in node.body[:2] or high - low < SHORTEST:
            continue
        length = source.randint(SHORTEST, min(LONGEST_SPAN, high - low))
        start = source.randint(low, high - length)
        if len(text[start : start + length].strip()) >= SHORTEST:
            holes.append((start, start + length))
    return holes


_FINDERS: dict[Kind, Callable[[str, random.Random], list[_Hole]]] = {
    "line": _line_holes,
    "word": _word_holes,
    "block": _block_holes,
    "span": _span_holes,
}


def _bodies(text: str) -> Iterator[tuple[ast.AST, list[ast.stmt]]]:
    """Each statement's bodies that stand on lines of their own, deeper than the statement, docstrings left out."""
    tree = parse(text)
    for node in ast.walk(tree) if tree is not None else ():
        if not isinstance(node, (ast.stmt, ast.ExceptHandler)):
            continue
        for name in ("body", "orelse", "finalbody"):
            body = list(getattr(node, name, ()))
            if name == "body" and isinstance(node, _HAVE_DOCSTRINGS) and ast.get_docstring(node, clean=False):
                body = body[1:]
            if body and body[0].col_offset > node.col_offset and _first_line(body[0]) > node.lineno:
                yield node, body


def _first_line(statement: ast.stmt) -> int:
    """A decorated function begins with its first decorator."""
    decorators: Sequence[ast.expr] = getattr(statement, "decorator_list", ())
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def _line_starts(text: str) -> list[int]:
    """Where each line begins, and one place behind the last one's end."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts
