"""What is wrong with an offer whatever was meant: it breaks the file's syntax, or says what stands there already.

Judged by Python's own parser and by comparing text, not by the pipeline's means. Knows no model.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from trainer.evaluate.tasks import parses

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_QUOTES = ('"', "'", '"""', "'''")
_ENDINGS = ("", "_", " _", ": _", " = _", " in _", " else _", " import _", " as _")
_FEWEST = 4
"""Characters of a line that is worth comparing; brackets may well come twice."""


@dataclass(slots=True, kw_only=True)
class Faults:
    """Counts of offers."""

    num_judged: int = 0
    num_parsable: int = 0
    """In files that parse without the cursor's line: only of these one can tell whether an offer breaks them."""
    num_broken: int = 0
    """Which do not parse any more, whatever is written behind them."""
    num_unfinished: int = 0
    """The beginning of a line, or the head of a block: they parse once more is written."""
    num_suffix: int = 0
    """Which end with what stands right of the cursor, or repeat its closing brackets, and break the file by it."""
    num_below: int = 0
    """With the very line that stands below."""
    num_above: int = 0
    """With the very line that stands above."""

    def add(self, other: Faults) -> None:
        for entry in fields(self):
            setattr(self, entry.name, getattr(self, entry.name) + getattr(other, entry.name))

    def share(self, name: str) -> float:
        total = self.num_parsable if name in ("num_broken", "num_unfinished") else self.num_judged
        return float(getattr(self, name)) / total if total else 0.0


def find_faults(before: str, offer: str, after: str) -> Faults:
    """One offer's faults, each counted once."""
    prefix, rest = before.rpartition("\n")[2], after.partition("\n")[0]
    head, tail = before[: len(before) - len(prefix)], after[len(rest) :]
    faults = Faults(num_judged=1)
    lines = [line.rstrip() for line in (prefix + offer).split("\n") if len(line.strip()) >= _FEWEST]
    faults.num_below = int(_next_line(tail) in lines)
    faults.num_above = int(bool(lines) and lines[0] == _last_line(head))
    indent = prefix[: len(prefix) - len(prefix.lstrip())]
    if parses(f"{head}{indent}pass{tail}"):
        faults.num_parsable = 1
        if not any(parses(before + offer + rest + closers + tail) for closers in _closers(prefix)):
            faults.num_unfinished = int(_can_go_on(before, offer, rest, tail))
            faults.num_broken = 1 - faults.num_unfinished
            repeats = bool(rest.strip()) and offer.rstrip().endswith(rest.strip()[:3])
            faults.num_suffix = int(faults.num_broken and repeats)
    return faults


def _can_go_on(before: str, offer: str, rest: str, tail: str) -> bool:
    """Whether any of the ways to end a line makes it right."""
    last = (before + offer).rpartition("\n")[2]
    body = "\n" + last[: len(last) - len(last.lstrip())] + " pass"
    closers = _closers((before + offer)[-len(before.rpartition("\n")[2] + offer) :])
    return any(
        parses(before + offer + ending + closer + rest + more + tail)
        for closer in closers
        for ending in _ENDINGS
        for more in ("", body, ":" + body)
    )


def _closers(prefix: str) -> list[str]:
    """What might close what a line has opened; quotes and brackets in strings are not told apart."""
    opened: list[str] = []
    for character in prefix:
        if character in _CLOSING:
            opened.append(_CLOSING[character])
        elif opened and character == opened[-1]:
            opened.pop()
    closers = ["".join(reversed(opened[:number])) for number in range(len(opened) + 1)]
    return closers + [quote + each for quote in _QUOTES if quote in prefix for each in closers]


def _next_line(tail: str) -> str:
    return next((line.rstrip() for line in tail.split("\n") if line.strip()), "")


def _last_line(head: str) -> str:
    return next((line.rstrip() for line in reversed(head.split("\n")) if line.strip()), "")
