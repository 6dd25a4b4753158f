"""Makes a session out of source text: somebody writes the bodies of its functions, as people do, and not in one go.

They mistype and go back, take suggestions with Tab, undo and redo, correct a line above, look into another document and
return. One seed, one session; at its end the documents are the source text again, letter for letter.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.replay.desk import PAIRS, Desk
from lsp_server.replay import Phase, Step

CHANCE_OF_MISTAKE = 0.03
"""For each key. People who write text correct 2 to 6 of 100 keys. Source: Dhakal et al. 2018, "Observations on Typing
from 136 Million Keystrokes"."""
CHANCE_OF_ACCEPTING = 0.04
"""For each key: about one line in three is finished with Tab."""
CHANCE_OF_ACCEPTING_MORE = 0.2
"""That what is accepted goes on to the next line."""
CHANCE_OF_UNDO = 0.06
"""For each line."""
CHANCE_OF_CORRECTION = 0.15
CHANCE_OF_SWITCH = 0.08
SHORTEST_BODY = 2
"""Lines."""
_BRACKETS = {opening: closing for opening, closing in PAIRS.items() if opening != closing}
_NEIGHBOURS = "asdfghjklertuiopcvbnm"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hole:
    """A body that is yet to be written."""

    document: str
    place: str
    """All of the document's text before the body, as it is in the end."""
    body: str

    def is_above(self, other: _Hole) -> bool:
        return self.document == other.document and len(self.place) < len(other.place)


def compose(sources: Mapping[str, str], seed: int, *, closes_pairs: frozenset[str] = frozenset()) -> list[Step]:
    """A session that writes half of the functions of all documents."""
    chance = random.Random(seed)
    holes = [hole for name, text in sources.items() for hole in _draw_holes(name, text, chance)]
    texts = {name: _without(text, [hole for hole in holes if hole.document == name]) for name, text in sources.items()}
    typist = _Typist(Desk(texts, closes_pairs=closes_pairs), chance)
    chance.shuffle(holes)
    for number, hole in enumerate(holes):
        unwritten = sum(len(each.body) for each in holes[number:] if each.is_above(hole))
        typist.write(hole, len(hole.place) - unwritten)
    return typist.desk.steps


def _draw_holes(name: str, text: str, chance: random.Random) -> list[_Hole]:
    lines = text.splitlines(keepends=True)
    holes = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef) or chance.random() < 0.5:
            continue
        body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
        last = node.body[-1].end_lineno or 0
        if last - body[0].lineno + 1 >= SHORTEST_BODY:
            first = body[0].lineno - 1
            before = "".join(lines[:first]).removesuffix("\n")
            holes.append(_Hole(document=name, place=before, body="\n" + "".join(lines[first:last]).removesuffix("\n")))
    return holes


def _without(text: str, holes: list[_Hole]) -> str:
    for hole in sorted(holes, key=lambda each: len(each.place), reverse=True):
        text = text[: len(hole.place)] + text[len(hole.place) + len(hole.body) :]
    return text


class _Typist:
    """Somebody at a desk."""

    def __init__(self, desk: Desk, chance: random.Random) -> None:
        self.desk = desk
        self._chance = chance

    def write(self, hole: _Hole, start: int) -> None:
        """Type a body at its place, line by line."""
        self.desk.go(hole.document, start)
        body, written = hole.body, 0
        while written < len(body):
            end = body.find("\n", written + 1)
            line = body[written : len(body) if end < 0 else end]
            following = body[written + len(line) :]
            written += len(line) + self._write_line(line, following)
            self._after_line(start, body[:written])

    def _write_line(self, line: str, following: str) -> int:
        """Type one line, with the line break before it; returns how much of what follows it was accepted along."""
        text = line.lstrip("\n ")
        self._break_line(line[: len(line) - len(text)])
        for number, character in enumerate(text):
            rest = text[number:]
            if number > 2 and len(rest) > 2 and self._chance.random() < CHANCE_OF_ACCEPTING:
                return self._accept(rest, following)
            if character.isalpha() and self._chance.random() < CHANCE_OF_MISTAKE:
                self._mistype()
            self.desk.press(character)
        return 0

    def _break_line(self, white: str) -> None:
        """Enter, with the editor's indentation, which is one step too deep where a block ends."""
        buffer = self.desk.current
        indent = len(buffer.line_prefix) - len(buffer.line_prefix.lstrip())
        wanted = len(white) - len(white.rstrip(" "))
        is_opening = buffer.line_prefix.rstrip().endswith((":", "(", "[", "{"))
        offered = indent + 4 if is_opening else indent
        if buffer.closers:  # Enter between brackets puts the closing one on a line of its own: it is typed later
            self.desk.insert("\n" + " " * wanted, Phase.TYPING)
            return
        self.desk.insert("\n" * white.count("\n") + " " * max(offered, wanted), Phase.TYPING)
        while (surplus := len(self.desk.current.line_prefix) - wanted) > 0:
            self.desk.erase(min(4, surplus))

    def _accept(self, rest: str, following: str) -> int:
        """Tab: the line's rest at once, up to the next closing mark that the editor has put there."""
        closers = self.desk.current.closers
        if closers:
            inner = rest[: _closed_at(rest, closers[0])]
            self.desk.insert(inner, Phase.ACCEPTING)
            for character in rest[len(inner) :]:
                self.desk.press(character)
            return 0
        more = 0
        if self._chance.random() < CHANCE_OF_ACCEPTING_MORE:
            end = following.find("\n", 1)
            more = len(following) if end < 0 else end
        self.desk.insert(rest + following[:more], Phase.ACCEPTING)
        return more

    def _mistype(self) -> None:
        wrong = "".join(self._chance.choice(_NEIGHBOURS) for _ in range(self._chance.choice((1, 1, 2, 3))))
        for character in wrong:
            self.desk.press(character)
        for _ in wrong:
            self.desk.erase(1)

    def _after_line(self, start: int, written: str) -> None:
        """What people do between two lines, now and then."""
        if self.desk.current.closers:
            return
        if self._chance.random() < CHANCE_OF_UNDO:
            self._undo(written)
        if self._chance.random() < CHANCE_OF_CORRECTION:
            self._correct_above(start, written)
        if self._chance.random() < CHANCE_OF_SWITCH:
            self._look_elsewhere()

    def _undo(self, written: str) -> None:
        """Take the last line back, and then not."""
        line = written[written.rfind("\n") :].lstrip("\n ")
        self.desk.erase(len(line), Phase.UNDOING)
        self.desk.insert(line, Phase.UNDOING)

    def _correct_above(self, start: int, written: str) -> None:
        """Go up to a line that was just written, retype its last word, and come back."""
        line_ends = [index for index, character in enumerate(written) if character == "\n" and index > 0]
        if not line_ends:
            return
        here = self.desk.current
        back, index = here.cursor, self._chance.choice(line_ends[-4:])
        word = written[:index][-min(6, len(written[:index].split("\n")[-1].strip())) :]
        if not word.strip() or "\n" in word:
            return
        self.desk.go(here.name, start + index)
        for _ in word:
            self.desk.erase(1)
        for character in word:
            self.desk.insert(character, Phase.TYPING)
        self.desk.go(here.name, back)

    def _look_elsewhere(self) -> None:
        """Write a note at the end of another document, take it back, and return."""
        here = self.desk.current
        back = here.cursor
        other = self._chance.choice([name for name in self.desk.buffers if name != here.name] or [here.name])
        self.desk.go(other, len(self.desk.buffers[other].text))
        note = f"# see {here.name}"
        for character in note:
            self.desk.insert(character, Phase.TYPING)
        self.desk.erase(len(note))
        self.desk.go(here.name, back)


def _closed_at(text: str, closer: str) -> int:
    """Where the pair around the cursor closes."""
    if closer == '"':
        return text.find(closer)
    depth = 0
    for index, character in enumerate(text):
        if character == closer and depth == 0:
            return index
        if character in _BRACKETS:
            depth += 1
        elif character in _BRACKETS.values():
            depth -= 1
    return len(text)
