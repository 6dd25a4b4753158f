from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.engine.field import Field
from benchmarks.engine.process import EngineProcess, RunnerError
from benchmarks.engine.protocol import Question
from benchmarks.engine.samples import Samples

RUNNER = """
import os
from benchmarks.engine.protocol import Answer, Hello, serve

class Counting:
    hello = Hello(version="counting", threads=1)
    pid = os.getpid()

    def ask(self, question):
        print("a library's chatter")
        if question.prompt == (666,):
            raise SystemExit("it burns")
        length = question.new_tokens - (question.prompt == (0,))
        return Answer(seconds=0.25, tokens=(tuple(range(length)),))

    def close(self):
        pass

serve(Counting)
"""
COMMAND = (sys.executable, "-c", RUNNER)


def question(token: int) -> Question:
    return Question(prompt=(token,), new_tokens=3)


def test_a_runner_answers_until_it_is_stopped(tmp_path: Path) -> None:
    process = EngineProcess("counting", COMMAND, tmp_path / "log")
    try:
        assert process.hello().version == "counting"
        assert process.ask(question(1)).tokens == ((0, 1, 2),)
        assert process.memory().peak_mb >= 0
    finally:
        process.stop()
    assert "chatter" in (tmp_path / "log").read_text()


def test_a_runner_that_ends_says_why(tmp_path: Path) -> None:
    process = EngineProcess("counting", COMMAND, tmp_path / "log")
    try:
        process.hello()
        with pytest.raises(RunnerError, match="it burns"):
            process.ask(question(666))
    finally:
        process.stop()


def test_an_engine_that_breaks_down_is_missing_from_then_on(tmp_path: Path) -> None:
    field = Field(Samples(), {"absent": "not installed"})
    try:
        field.start({"steady": COMMAND, "frail": COMMAND, "stillborn": (sys.executable, "-c", "1 / 0")}, tmp_path)
        for name in ("steady", "frail"):
            field.attempt(name, lambda name: field.ask(name, question(666 if name == "frail" else 1), "warm"))
        assert field.names == ["steady"]
        assert field.missing.keys() == {"absent", "frail", "stillborn"}
        assert "ZeroDivisionError" in field.missing["stillborn"]
        assert field.samples.median("warm", "steady") == 0.25
    finally:
        field.close()


def test_an_answer_that_is_too_short_is_counted_but_not_timed(tmp_path: Path) -> None:
    field = Field(Samples(), {})
    try:
        field.start({"steady": COMMAND}, tmp_path)
        field.ask("steady", question(0), "warm")
        assert field.short_answers == {"steady": 1}
        assert not field.samples.has("warm", "steady")
    finally:
        field.close()
