"""Messages: what is sent is what arrives, and nothing else is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lsp_server import errors
from lsp_server.engine import messages
from lsp_server.engine.api import (
    Candidate,
    CompletionRequest,
    CompletionResult,
    EngineState,
    EngineStatus,
    FinishReason,
    Recall,
    SamplingParams,
    StopRule,
    Timings,
)
from lsp_server.engine.wire import WireError
from lsp_server.errors import EngineError, ParrotletError, SettingsError


def through_json(message: object) -> Any:  # Any: JSON
    return json.loads(json.dumps(message))


def test_a_request_survives_the_journey() -> None:
    request = CompletionRequest(
        document="file:///a b.py",
        prompt_ids=(1, 2, 3),
        begins_with=" é",
        recall=Recall(texts=((4, 5), ()), collection="c", own_name="/a b.py"),
        sampling=SamplingParams(temperature=0, top_k=5, seed=2**70, num_candidates=8),
        stop=StopRule.LINE,
        line_prefix="  é",
        deadline_ms=250,
    )
    assert messages.request_from_json(through_json(messages.request_to_json(request))) == request


def test_a_result_survives_the_journey() -> None:
    candidate = Candidate(text="a\n", token_ids=(4,), mean_logprob=-0.25, finish_reason=FinishReason.STOP_RULE)
    timings = Timings(queue_ms=0.5, prefill_ms=1, decode_ms=2.5, prompt_tokens=3, reused_tokens=2, new_tokens=1)
    result = CompletionResult(candidates=(candidate, candidate), timings=timings)
    assert messages.result_from_json(through_json(messages.result_to_json(result))) == result


def test_a_status_survives_the_journey() -> None:
    status = EngineStatus(
        state=EngineState.FAILED, model="/m", device="cpu", message="no", pid=4, num_steps=7, memory_bytes=8
    )
    assert messages.status_from_json(through_json(messages.status_to_json(status))) == status


@pytest.mark.parametrize(
    "kind", [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, ParrotletError)]
)
def test_every_error_arrives_as_its_own_kind(kind: type[ParrotletError]) -> None:
    error = messages.error_from_json(through_json(messages.error_to_json(kind("one line"))))
    assert type(error) is kind
    assert str(error) == "one line"


@pytest.mark.parametrize("name", ["SystemExit", "__builtins__", "annotations", "NoSuchError"])
def test_no_other_class_can_be_named(name: str) -> None:
    assert type(messages.error_from_json({"type": name, "message": "m"})) is EngineError


GOOD: dict[str, Any] = through_json(messages.request_to_json(CompletionRequest(document="d", prompt_ids=(1,))))


@pytest.mark.parametrize(
    "change",
    [
        {"document": None},
        {"document": 3},
        {"prompt_ids": "12"},
        {"prompt_ids": [1.5]},
        {"prompt_ids": [True]},
        {"prompt_ids": None},
        {"sampling": []},
        {"sampling": {}},
        {"sampling": {**GOOD["sampling"], "top_k": 1.0}},
        {"sampling": {**GOOD["sampling"], "seed": "x"}},
        {"stop": "never"},
        {"stop": ["line"]},
        {"line_prefix": None},
        {"deadline_ms": "soon"},
        {"begins_with": None},
        {"recall": []},
        {"recall": {"texts": [], "collection": "c"}},
        {"recall": {"texts": [1], "collection": "c", "own_name": ""}},
    ],
    ids=str,
)
def test_a_malformed_request_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        messages.request_from_json({**GOOD, **change})


def test_remembered_texts_survive_the_journey_in_as_many_messages_as_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"/a.py": [1, 70_000, 2**32 - 2], "/empty.py": [], "/b.py": list(range(100)), "/huge.py": list(range(1000))}
    monkeypatch.setattr(messages, "MOST_TEXT_BYTES", 540)
    batches = list(messages.batches(texts))
    arrived = [messages.take_texts(through_json({"texts": batch}), "texts") for batch in batches]
    assert arrived == [{"/a.py": [1, 70_000, 2**32 - 2], "/empty.py": []}, {"/b.py": list(range(100))}]


@pytest.mark.parametrize("texts", [None, [], {"a": 1}, {"a": "?"}, {"a": "AAA="}], ids=str)
def test_malformed_texts_are_refused(texts: object) -> None:
    with pytest.raises(WireError):
        messages.take_texts({"texts": texts}, "texts")


def test_a_sampling_value_out_of_range_is_a_settings_error() -> None:
    for value in (99.0, float("nan"), float("inf")):
        with pytest.raises(SettingsError, match="temperature"):
            messages.request_from_json({**GOOD, "sampling": {**GOOD["sampling"], "temperature": value}})


@pytest.mark.parametrize(
    "message",
    [{}, {"candidates": [], "timings": {}}, {"candidates": [3], "timings": {}}, {"candidates": [{}]}],
    ids=str,
)
def test_a_malformed_result_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        messages.result_from_json(message)
