"""How much of a file is comment, for the two commonest ways of writing them. Knows no thresholds."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainer.corpus.languages import CommentStyle

_STRING = r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'"
_PATTERNS: dict[CommentStyle, re.Pattern[str]] = {
    "python": re.compile(
        rf"(?P<comment>#[^\n]*)|(?P<long>\"\"\"(?:[^\"\\]|\\.|\"(?!\"\"))*\"\"\"|'''(?:[^'\\]|\\.|'(?!''))*''')|{_STRING}",
        flags=re.DOTALL,
    ),
    "c": re.compile(rf"(?P<comment>//[^\n]*)|(?P<long>/\*.*?\*/)|{_STRING}", flags=re.DOTALL),
}
_DOCSTRING_PREFIXES = frozenset({"", "r", "R", "u", "U"})


def comments_of(text: str, style: CommentStyle) -> Iterator[tuple[int, int]]:
    """Start and end of every comment; in Python also of every string that stands where a statement begins."""
    if style == "none":
        return
    for match in _PATTERNS[style].finditer(text):
        is_comment = match.lastgroup == "comment" or (
            match.lastgroup == "long" and (style == "c" or _begins_statement(text, match.start()))
        )
        if is_comment:
            yield match.span()


def judge_comments(text: str, style: CommentStyle, lowest: float, highest: float) -> str | None:
    """Tell whether the comments' share of the characters lies outside, reading no further than needed."""
    needed_comment, needed_code = lowest * len(text), (1.0 - highest) * len(text)
    if style == "none" or (needed_comment <= 0 and needed_code <= 0):
        return None
    comment = 0
    for start, end in comments_of(text, style):
        comment += end - start
        if comment >= needed_comment and end - comment >= needed_code:
            return None
    if comment < needed_comment:
        return "few_comments"
    return "many_comments" if len(text) - comment < needed_code else None


def _begins_statement(text: str, start: int) -> bool:
    return text[text.rfind("\n", 0, start) + 1 : start].strip() in _DOCSTRING_PREFIXES
