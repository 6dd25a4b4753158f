from __future__ import annotations

import io
import os
from dataclasses import asdict

import pytest

from benchmarks.engine.protocol import Answer, Question, answer_of, common_prefix, memory_of, parse, question_of, send


def test_a_question_arrives_as_it_was_sent() -> None:
    question = Question(prompt=(1, 2), new_tokens=3, temperature=0.4, top_p=0.9, candidates=4, keep=False)
    stream = io.StringIO()
    send(stream, "question", asdict(question))
    line = stream.getvalue()
    assert line.count("\n") == 1
    kind, values = parse(line)
    assert kind == "question"
    assert question_of(values) == question


def test_an_answer_arrives_as_it_was_sent() -> None:
    answer = Answer(seconds=0.5, tokens=((1,), (2, 3)), read_tokens=7, drafted=4, accepted=2)
    stream = io.StringIO()
    send(stream, "answer", asdict(answer))
    assert answer_of(parse(stream.getvalue())[1]) == answer


@pytest.mark.parametrize("line", ["[]", "{}", '{"kind": 1}', "Loading weights"])
def test_other_lines_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"no message|Expecting"):
        parse(line)


@pytest.mark.parametrize(
    ("first", "second", "length"),
    [((), (1,), 0), ((1, 2), (1, 2), 2), ((1, 2), (1, 3), 1), ((1, 2, 3), (1, 2), 2), ((9,), (1,), 0)],
)
def test_common_prefixes_end_where_tokens_differ(first: tuple[int, ...], second: tuple[int, ...], length: int) -> None:
    assert common_prefix(first, second) == length


def test_the_highest_memory_is_at_least_what_is_held_now() -> None:
    memory = memory_of(os.getpid())
    assert memory.peak_mb >= memory.resident_mb


def test_a_process_that_is_gone_holds_nothing() -> None:
    assert memory_of(2**30).peak_mb == 0.0
