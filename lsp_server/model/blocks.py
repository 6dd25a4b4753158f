"""Where an answer is complete: the end of the cursor's line or block, from text alone. Knows no tokens and no parser.

The engine asks after every token, so that nothing is decoded to be thrown away; the pipeline asks again when it trims.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_OPENERS = (":", "{", "(", "[")
_CLOSERS = (")", "]", "}")
TAB_WIDTH = 4
"""Indentation is only compared within one file, so any constant serves."""
_Verdict = Literal["inside", "blank", "closes", "outside", "undecided"]
"""What a line is to a block; undecided while it is unfinished and may still become any of the others."""


def indentation(line: str) -> int:
    """Columns of white space before the first other character."""
    expanded = line.expandtabs(TAB_WIDTH)
    return len(expanded) - len(expanded.lstrip())


def line_end(text: str) -> int | None:
    """Index of the first line break behind some content; None while the line is unfinished."""
    content = len(text) - len(text.lstrip())
    end = text.find("\n", content)
    return None if end < 0 or content == len(text) else end


def block_end(line_prefix: str, text: str) -> int | None:
    """Index in `text` where the block at the cursor ends; None while it may still go on.

    `line_prefix` is the text left of the cursor on its line. On an empty line the block is the lines that keep that
    line's indentation; at the top level a blank line ends it. Behind code it is the rest of the line and, where that
    line opens a block or a bracket, the deeper lines below it with their closing bracket. A second blank line in a row
    always ends it.
    """
    lines = text.split("\n")
    block = _Block.at(line_prefix, lines[0])
    end = len(lines[0])
    for number, line in enumerate(lines[1:], start=1):
        complete = number < len(lines) - 1
        verdict = block.judge(line, complete=complete)
        if verdict == "outside":
            return end
        if verdict == "undecided":
            return None
        if verdict != "blank":
            end = sum(map(len, lines[: number + 1])) + number
        if verdict == "closes" and complete:
            return end
    return None


@dataclass(slots=True)
class _Block:
    """The block being written: what it needs to judge the next line."""

    opener: int
    """Indentation of the line the cursor is on."""
    floor: int
    """Lines with less indentation stand outside."""
    has_code: bool
    ends_with_line: bool
    after_blank: bool = False

    @classmethod
    def at(cls, line_prefix: str, rest_of_line: str) -> _Block:
        line = line_prefix + rest_of_line
        indent = indentation(line if line.strip() else line_prefix + "|")
        opens = line.rstrip().endswith(_OPENERS)
        on_empty_line = not line_prefix.strip()
        return cls(
            opener=indent,
            floor=indent if on_empty_line else indent + 1,
            has_code=bool(line.strip()),
            ends_with_line=not on_empty_line and not opens,
        )

    def judge(self, line: str, *, complete: bool) -> _Verdict:
        """What the next line is to the block."""
        if self.ends_with_line:
            return "outside"
        if not line.strip():
            return self._judge_blank(complete)
        if self.has_code and indentation(line) < self.floor:
            closes = indentation(line) == self.opener and line.lstrip().startswith(_CLOSERS) and not self.after_blank
            return "closes" if closes else "outside"
        self.has_code, self.after_blank = True, False
        return "inside"

    def _judge_blank(self, complete: bool) -> _Verdict:
        if not complete:
            return "undecided"
        if self.has_code and (self.after_blank or self.floor == 0):
            return "outside"
        self.after_blank = self.has_code
        return "blank"
