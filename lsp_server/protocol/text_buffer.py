"""The text of one open document, edited the way the protocol says. Knows nothing of pygls, files or completion.

Only `\\n`, `\\r\\n` and a lone `\\r` end a line: form feeds and U+2028 do not, though `str.splitlines` thinks so.
Columns are counted in the units the editor chose (`Encoding`); inside, everything is code points.
"""

from __future__ import annotations

import itertools
import re
from enum import Enum

_LINE_END = re.compile(r"\r\n|\r|\n")


class Encoding(str, Enum):
    """Units of a column, as the protocol spells them."""

    UTF8 = "utf-8"
    UTF16 = "utf-16"
    UTF32 = "utf-32"

    def width(self, text: str) -> int:
        """Number of units in `text`. A lone surrogate counts as the editor that sent it counts it."""
        if self is Encoding.UTF32 or text.isascii():
            return len(text)
        if self is Encoding.UTF16:
            return len(text.encode("utf-16-le", "surrogatepass")) // 2
        return len(text.encode("utf-8", "surrogatepass"))

    def index_of(self, line: str, column: int) -> int:
        """Code points before `column`; past the end is the end, inside a character is its start."""
        if self is Encoding.UTF32 or line.isascii():
            return min(column, len(line))
        units = 0
        for number, character in enumerate(line):
            units += self.width(character)
            if units > column:
                return number
        return len(line)


class TextBuffer:
    """A document as a list of lines, each with its line end; the last has none.

    An edit touches only the lines it covers. The whole text is joined when someone asks, and kept until the next edit.
    """

    def __init__(self, text: str, encoding: Encoding = Encoding.UTF16) -> None:
        self.encoding = encoding
        self._lines = split_lines(text)
        self._text: str | None = text

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = "".join(self._lines)
        return self._text

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(self._lines)

    def replace(self, start: tuple[int, int], end: tuple[int, int], text: str) -> None:
        """Replace a range of (line, column) positions; positions outside the document are clamped into it."""
        first, first_index = self._clamp(start)
        last, last_index = max(self._clamp(end), (first, first_index))
        text = self._lines[first][:first_index] + text + self._lines[last][last_index:]
        if text.startswith("\n") and first > 0 and self._lines[first - 1].endswith("\r"):
            first -= 1  # a `\r` that ended a line by itself and a new `\n` behind it are one line end
            text = self._lines[first] + text
        lines = split_lines(text)
        if last + 1 < len(self._lines):
            lines.pop()  # the empty rest behind the last line end: the next line is already there
        self._lines[first : last + 1] = lines
        self._text = None

    def offset(self, position: tuple[int, int]) -> int:
        """Code points before a (line, column) position, clamped into the document."""
        line, index = self._clamp(position)
        return sum(map(len, self._lines[:line])) + index

    def contains(self, position: tuple[int, int]) -> bool:
        """Whether the position lies in the document, without clamping."""
        line, column = position
        return line < len(self._lines) and column <= self.encoding.width(_content(self._lines[line]))

    def position(self, offset: int) -> tuple[int, int]:
        """The (line, column) of a code point offset."""
        for number, line in enumerate(self._lines):
            if offset < len(line):
                return number, self.encoding.width(line[:offset])
            offset -= len(line)
        return len(self._lines) - 1, self.encoding.width(self._lines[-1])

    def _clamp(self, position: tuple[int, int]) -> tuple[int, int]:
        """Line number and code point index; never behind a line's end mark."""
        line, column = position
        if line >= len(self._lines):
            return len(self._lines) - 1, len(self._lines[-1])
        return line, self.encoding.index_of(_content(self._lines[line]), column)


def split_lines(text: str) -> list[str]:
    """Lines with their line ends; the last has none, so there is always one more line than there are line ends."""
    starts = [0, *(match.end() for match in _LINE_END.finditer(text)), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(starts)]


def _content(line: str) -> str:
    return line.rstrip("\r\n")
