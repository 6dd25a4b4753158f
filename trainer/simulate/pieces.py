"""Stretches of real files that are written anew, key by key, where they stood. Drawn from a seed."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from trainer.corpus import Document

FEWEST_LINES, MOST_LINES = 5, 20
_LINE_BREAK = re.compile(r"\n[ \t]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Whole lines of a file, and what stands around them; the line break behind `target` is the first of `after`."""

    source: str
    path: str
    before: str
    target: str
    after: str

    def keystrokes(self) -> list[str]:
        """What each key adds: a character, or a line break with the indentation that editors add by themselves."""
        keys: list[str] = []
        at = 0
        for line_break in _LINE_BREAK.finditer(self.target):
            keys += [*self.target[at : line_break.start()], line_break[0]]
            at = line_break.end()
        return [*keys, *self.target[at:]]


def draw_pieces(documents: Sequence[Document], count: int, seed: int) -> list[Piece]:
    """`count` pieces, one of a file at most while there are files enough; longer files are likelier."""
    source = random.Random(seed)
    long = [document for document in documents if document.text.count("\n") > 2 * MOST_LINES]
    source.shuffle(long)
    long.sort(key=lambda document: source.random() ** (1 / len(document.text)), reverse=True)  # by weight, each once
    drawn = (_draw(document, source) for document in (long * count)[:count])
    return [piece for piece in drawn if piece.target.strip()]


def _draw(document: Document, source: random.Random) -> Piece:
    """Lines from one that is not blank."""
    lines = document.text.split("\n")
    starts = [number for number, line in enumerate(lines[:-FEWEST_LINES]) if line.strip()]
    first = source.choice(starts) if starts else 0
    last = min(len(lines), first + source.randint(FEWEST_LINES, MOST_LINES))
    while last > first + 1 and not lines[last - 1].strip():
        last -= 1
    before, target = "\n".join(lines[:first]), "\n".join(lines[first:last])
    return Piece(
        source=document.source,
        path=document.path,
        before=before + "\n" if first else "",
        target=target,
        after="\n" + "\n".join(lines[last:]) if last < len(lines) else "",
    )
