"""What the benchmark and an engine's process say to each other: one JSON object a line, over stdin and stdout.

Standard library only, because every engine's own environment must be able to import it. Knows no engine.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The first line of a runner: the model is loaded."""

    version: str
    threads: int
    """0 where the engine chooses."""
    backend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Continue this prompt; the engine keeps what it read, for the next question."""

    prompt: tuple[int, ...]
    new_tokens: int
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    candidates: int = 1
    keep: bool = True
    """Whether the next prompt will begin like this one; engines that pay for keeping may skip it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One engine's continuation, and the wall time its caller waited."""

    seconds: float
    tokens: tuple[tuple[int, ...], ...]
    """A tuple for each candidate."""
    read_tokens: int = -1
    """Prompt tokens that had to be read anew, -1 where the engine does not say."""
    inside_seconds: float = -1.0
    """The engine's own count of the time, without the way to it; -1 where it keeps none."""
    drafted: int = 0
    accepted: int = 0
    """Tokens guessed ahead by speculation, and those that the model confirmed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Of the process that holds the model."""

    resident_mb: float
    peak_mb: float


class Runner(Protocol):
    """An engine that holds a model."""

    hello: Hello

    def ask(self, question: Question) -> Answer: ...

    @property
    def pid(self) -> int:
        """The process that holds the model."""
        ...

    def close(self) -> None: ...


def serve(start: Callable[[], Runner]) -> None:
    """Be a runner's process: load, say hello, answer until stdin ends."""
    replies = _own_stdout()
    runner = start()
    try:
        send(replies, "hello", asdict(runner.hello))
        for line in sys.stdin:
            kind, values = parse(line)
            if kind == "question":
                send(replies, "answer", asdict(runner.ask(question_of(values))))
            else:
                send(replies, "memory", asdict(memory_of(runner.pid)))
    finally:
        runner.close()


def send(stream: IO[str], kind: str, values: dict[str, Any]) -> None:  # Any: what JSON holds
    stream.write(json.dumps({"kind": kind, **values}) + "\n")
    stream.flush()


def parse(line: str) -> tuple[str, dict[str, Any]]:  # Any: what JSON holds
    """A line's kind and values. Raises: ValueError when it is no message."""
    message = json.loads(line)
    if not isinstance(message, dict) or not isinstance(message.get("kind"), str):
        raise ValueError(f"no message: {line[:200]!r}")
    return message.pop("kind"), message


def question_of(values: dict[str, Any]) -> Question:  # Any: what JSON holds
    return Question(**{**values, "prompt": tuple(values["prompt"])})


def answer_of(values: dict[str, Any]) -> Answer:  # Any: what JSON holds
    return Answer(**{**values, "tokens": tuple(tuple(row) for row in values["tokens"])})


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens both begin with."""
    pairs = zip(first, second, strict=False)
    return next((place for place, (one, other) in enumerate(pairs) if one != other), min(len(first), len(second)))


def memory_of(pid: int) -> Memory:
    """Resident memory now and at its highest, of a process on Linux; zeros elsewhere."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return Memory(resident_mb=0.0, peak_mb=0.0)
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    kilobytes = {name: int(fields[name].split()[0]) for name in ("VmRSS", "VmHWM")}
    return Memory(resident_mb=kilobytes["VmRSS"] / 1024, peak_mb=kilobytes["VmHWM"] / 1024)


def _own_stdout() -> IO[str]:
    """The descriptor behind stdout, while whatever libraries print goes to stderr instead."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return replies
