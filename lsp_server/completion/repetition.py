"""Finds where a suggestion says again what has been said: by itself, by the lines above, or by the lines below.

A small model falls into loops: of a few characters, of a line, of several lines. Lines are compared with their
indentation and without white space at their ends; blank ones do not count. Text rules only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_LOOPS = (re.compile(r"(.{3,}?)\1{4,}"), re.compile(r"(.{10,}?)\1{2,}"))
"""The same few characters five times in a row, more of them three times.

Source: Tabby's post-processing, which drops such a line from six and from four on.
"""
_LONGEST_ROUND = 8
"""Lines of a loop's round."""
_WORD = re.compile(r"\w")
_MOST_CHARACTERS = 600
"""Of a line that are searched for loops: a regular expression looks at every pair of places."""


def first_repeated(lines: Sequence[str], above: Sequence[str]) -> int | None:
    """The number of the first line where a loop begins its second round; 0 where that stands above.

    `lines`: the suggestion, with the line's beginning in front of the first. `above`: the lines before that.
    """
    said = [line.rstrip() for line in above if line.strip()][-2 * _LONGEST_ROUND :]
    num_above = len(said)
    numbers: list[int] = []
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        if loops_in_itself(line):
            return number
        said.append(line.rstrip())
        numbers.append(number)
        length = _round_that_ends(said)
        if length:
            start = len(said) - length - num_above
            return numbers[start] if start > 0 else 0
    return None


def _round_that_ends(said: Sequence[str]) -> int:
    """Lines of a second round that ends with the last line; 0 if none does."""
    for length in range(1, min(_LONGEST_ROUND, len(said) // 2) + 1):
        if said[-length:] == said[-2 * length : -length] and any(map(_WORD.search, said[-length:])):
            return length
    return 0


def loops_in_itself(line: str) -> bool:
    """Whether a line says the same over and over; a ruler of dashes does not."""
    loops = (loop for pattern in _LOOPS for loop in pattern.finditer(line[-_MOST_CHARACTERS:]))
    return any(len(set(loop[1])) > 1 and bool(loop[1].strip()) for loop in loops)


def first_known_below(lines: Sequence[str], below: Sequence[str]) -> int | None:
    """The number of the first line that is the very next one below the cursor; with a decorator, both next ones."""
    known = [line.rstrip() for line in below if line.strip()]
    for number, line in enumerate(lines):
        num_needed = 2 if line.lstrip().startswith("@") else 1
        tail = [each.rstrip() for each in lines[number:] if each.strip()][:num_needed]
        if line.strip() and len(tail) == num_needed and tail == known[:num_needed]:
            return number
    return None
