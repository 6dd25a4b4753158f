"""One engine's process, as the benchmark holds it: started, asked, stopped by its id. Knows no engine."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.engine.protocol import Answer, Hello, Memory, Question, answer_of, parse, send

ROOT = Path(__file__).parent.parent.parent
STOP_SECONDS = 10.0


class RunnerError(RuntimeError):
    """An engine could not be started, or broke down."""


class EngineProcess:
    """A runner and the pipe to it; `hello` waits until its model is loaded."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self._log_path = log
        self._log = log.open("w", encoding="utf-8")
        self.started_at = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=runner_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
        )

    def hello(self) -> Hello:
        """Raises: RunnerError when the runner ends before its model is loaded."""
        return Hello(**self._receive("hello"))

    def ask(self, question: Question) -> Answer:
        """Raises: RunnerError when the runner breaks down."""
        self._send("question", asdict(question))
        return answer_of(self._receive("answer"))

    def memory(self) -> Memory:
        """Raises: RunnerError when the runner breaks down."""
        self._send("memory", {})
        return Memory(**self._receive("memory"))

    def stop(self) -> None:
        """End it: its stdin closes, and if that is not enough, a signal to its id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def _send(self, kind: str, values: dict[str, Any]) -> None:  # Any: what JSON holds
        assert self._process.stdin is not None
        try:
            send(self._process.stdin, kind, values)
        except BrokenPipeError:
            raise self._broken() from None

    def _receive(self, expected: str) -> dict[str, Any]:  # Any: what JSON holds
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._broken()
        kind, values = parse(line)
        assert kind == expected, (kind, expected)
        return values

    def _broken(self) -> RunnerError:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        lines = self._log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1] if lines else "it said nothing"
        return RunnerError(f"{self.name} ended ({last}): the whole story is in {shown(self._log_path)}")


def shown(path: Path) -> Path:
    """A path as results may hold it: no folder of this machine above the project."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def runner_environment() -> dict[str, str]:
    """Our own modules first, and no library that looks for a model on a network."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
