"""Reads a line for what it leaves open: brackets, quotes, a comment. Characters only; the grammar is `syntax.py`'s.

Quotes are Python's, tripled ones included; a comment begins with the language's own mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CLOSING = {"(": ")", "[": "]", "{": "}"}
OPENING = {closer: opener for opener, closer in CLOSING.items()}
QUOTES = ('"""', "'''", '"', "'", "`")
COMMENT_MARKS: Mapping[str, str] = {"python": "#", "ruby": "#", "shellscript": "#", "yaml": "#", "toml": "#"}
OTHER_COMMENT_MARK = "//"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A bracket or quote that has not been closed."""

    mark: str
    at: int

    @property
    def closer(self) -> str:
        return CLOSING.get(self.mark, self.mark)


@dataclass(slots=True, kw_only=True)
class Reading:
    """What a text leaves open, the innermost last."""

    opened: list[Opened] = field(default_factory=list)
    unmatched: list[int] = field(default_factory=list)
    """Where brackets are closed that the text did not open."""
    in_comment: bool = False

    @property
    def quote(self) -> str:
        """The string that the text's end is in; empty outside strings."""
        return self.opened[-1].mark if self.opened and self.opened[-1].mark not in CLOSING else ""


def comment_mark(language: str) -> str:
    return COMMENT_MARKS.get(language, OTHER_COMMENT_MARK)


def read(text: str, language: str) -> Reading:
    """Read a text that begins in code, outside strings and comments."""
    reading, mark = Reading(), comment_mark(language)
    at = 0
    while at < len(text):
        if reading.in_comment:
            end = text.find("\n", at)
            if end < 0:
                break
            reading.in_comment, at = False, end + 1
        elif reading.quote:
            at = _read_string(text, at, reading)
        else:
            at = _read_code(text, at, mark, reading)
    return reading


def _read_string(text: str, at: int, reading: Reading) -> int:
    quote = reading.quote
    if text[at] == "\\":
        return at + 2
    if text.startswith(quote, at):
        reading.opened.pop()
        return at + len(quote)
    if text[at] == "\n" and quote in ('"', "'"):
        reading.opened.pop()  # such a string ends with its line, closed or not
    return at + 1


def _read_code(text: str, at: int, mark: str, reading: Reading) -> int:
    if text.startswith(mark, at):
        reading.in_comment = True
        return at + len(mark)
    for quote in QUOTES:
        if text.startswith(quote, at):
            reading.opened.append(Opened(mark=quote, at=at))
            return at + len(quote)
    character = text[at]
    if character in CLOSING:
        reading.opened.append(Opened(mark=character, at=at))
    elif character in OPENING:
        if reading.opened and reading.opened[-1].mark == OPENING[character]:
            reading.opened.pop()
        else:
            reading.unmatched.append(at)
    return at + 1


def unmatched_closers(text: str) -> list[int]:
    """Where a text closes brackets that it did not open, quotes or not: in prose, too, brackets come in pairs."""
    opened: list[str] = []
    unmatched: list[int] = []
    for at, character in enumerate(text):
        if character in CLOSING:
            opened.append(character)
        elif character in OPENING and (not opened or opened.pop() != OPENING[character]):
            unmatched.append(at)
    return unmatched
