"""The engines that are running, and what they have been measured at. One that breaks down is named and left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from benchmarks.engine.process import EngineProcess, RunnerError
from benchmarks.engine.protocol import Answer, Hello, Question
from benchmarks.engine.samples import Samples


class Field:
    """All engines on one model; owns their processes from `start` to `close`."""

    def __init__(self, samples: Samples, missing: Mapping[str, str]) -> None:
        self.samples = samples
        self.missing = dict(missing)
        self.hellos: dict[str, Hello] = {}
        self.short_answers: Counter[str] = Counter()
        """Answers with fewer tokens than asked for; their times are not counted."""
        self._engines: dict[str, EngineProcess] = {}

    def start(self, commands: Mapping[str, tuple[str, ...]], logs: Path) -> None:
        """Start all at once, and wait until each has loaded its model."""
        logs.mkdir(parents=True, exist_ok=True)
        for name, command in commands.items():
            self._engines[name] = EngineProcess(name, command, logs / f"{name.replace(' ', '-').replace(',', '')}.log")
        for name in list(self._engines):
            self.attempt(name, self._welcome)

    def close(self) -> None:
        for engine in self._engines.values():
            engine.stop()
        self._engines.clear()

    @property
    def names(self) -> list[str]:
        """Those that still run."""
        return list(self._engines)

    def attempt(self, name: str, measure: Callable[[str], None]) -> None:
        """Measure an engine, unless it has broken down; if it does now, it is missing from here on."""
        if name not in self._engines:
            return
        try:
            measure(name)
        except RunnerError as error:
            self.missing[name] = str(error)
            with suppress(OSError):
                self._engines.pop(name).stop()

    def ask(self, name: str, question: Question, measurement: str | None = None) -> Answer:
        """An answer; its time counts for the measurement, if there is one."""
        answer = self._engines[name].ask(question)
        if any(len(row) != question.new_tokens for row in answer.tokens):
            self.short_answers[name] += 1
        elif measurement is not None:
            self.samples.add(measurement, name, [answer.seconds])
            if answer.inside_seconds >= 0:
                self.samples.add(f"{measurement}, by its own count", name, [answer.inside_seconds])
        return answer

    def memory_mb(self, name: str) -> tuple[float, float]:
        """Resident now, and at its highest."""
        memory = self._engines[name].memory()
        return memory.resident_mb, memory.peak_mb

    def _welcome(self, name: str) -> None:
        self.hellos[name] = self._engines[name].hello()
