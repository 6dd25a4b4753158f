"""How a training tells where it stands: lines of JSON for editors, words and bars for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TextIO

SHARES = {"corpus": 0.08, "tokens": 0.04, "training": 0.63, "proof": 0.22, "report": 0.03}
"""Of the whole, about; the stages come in this order."""
_LEAST_STEP = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a training ended."""

    accepted: bool
    report: Path
    model: str
    """NAME@VERSION when it was accepted; otherwise the name that was asked for."""
    paragraph: str


class Teller(Protocol):
    """Hears how it goes."""

    def stage(self, name: str, message: str) -> None:
        """A stage of `SHARES` begins."""
        ...

    def within(self, share: float, message: str = "") -> None:
        """So much of the stage is done, 0 to 1."""
        ...

    def end(self, outcome: Outcome) -> None: ...


def done_before(stage: str) -> float:
    """Share of the whole that is done when a stage begins."""
    total = 0.0
    for name, share in SHARES.items():
        if name == stage:
            return total
        total += share
    raise AssertionError(stage)


class JsonTeller:
    """{"stage", "done" (of the whole, 0 to 1, never falling), "message"}, a line each; the last has the outcome."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._stage, self._told = "corpus", 0.0

    def stage(self, name: str, message: str) -> None:
        self._stage = name
        self._say(done_before(name), message)

    def within(self, share: float, message: str = "") -> None:
        done = done_before(self._stage) + SHARES[self._stage] * min(1.0, share)
        if done >= self._told + _LEAST_STEP:
            self._say(done, message)

    def end(self, outcome: Outcome) -> None:
        self._write(
            stage="end",
            done=1.0,
            message=outcome.paragraph,
            accepted=outcome.accepted,
            report=str(outcome.report),
            model=outcome.model,
        )

    def _say(self, done: float, message: str) -> None:
        self._told = max(self._told, done)
        self._write(stage=self._stage, done=round(self._told, 4), message=message)

    def _write(self, **entry: object) -> None:
        self._stream.write(json.dumps(entry) + "\n")
        self._stream.flush()


class PlainTeller:
    """A line a stage; the stages show bars of their own on stderr."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def stage(self, name: str, message: str) -> None:
        self._stream.write(f"{name}: {message}\n")
        self._stream.flush()

    def within(self, share: float, message: str = "") -> None:
        """The bars tell."""

    def end(self, outcome: Outcome) -> None:
        self._stream.write(f"\n{outcome.paragraph}\n\nreport: {outcome.report}\n")
        self._stream.flush()


@contextmanager
def teller(kind: str) -> Iterator[Teller]:
    """`json` or `bar`. While it is open whatever else is printed goes to stderr: stdout has the telling alone."""
    stdout = sys.stdout
    with redirect_stdout(sys.stderr):
        yield JsonTeller(stdout) if kind == "json" else PlainTeller(stdout)
