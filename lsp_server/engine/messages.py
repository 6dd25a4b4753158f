"""The messages between client and engine, to and from JSON; whatever arrives is checked. Knows no sockets.

client                                                  engine
{op: hello, protocol, version, token}                -> {op: hello, pid} | {op: error, error}
{op: complete, id, request}                          -> {op: tokens, id, candidate, text}* {op: result, id, result}
{op: prefill, id, document, prompt_ids}              -> {op: done, id}
{op: remember, id, collection, texts}                -> {op: done, id}
{op: reload, id, bundle}                             -> {op: done, id}
{op: status, id}                                     -> {op: status, id, status}
{op: cancel, id}                                     -> (nothing)
any of them may be answered by                          {op: error, id, error} or {op: cancelled, id}
"""

from __future__ import annotations

import base64
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, TypeVar

from lsp_server import errors
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
from lsp_server.errors import EngineError, ParrotletError

MOST_TEXT_BYTES = 2**20
"""Of remembered text in one message."""
Message = Mapping[str, Any]
T = TypeVar("T")


def take(message: Message, key: str, kind: type[T]) -> T:
    """The value under a key. Raises: WireError when it is absent or of another type."""
    value = message.get(key)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:  # exact: a bool is no int
        raise WireError(f"{key!r} is {type(value).__name__}, not {kind.__name__}")
    return value


def take_optional(message: Message, key: str, kind: type[T]) -> T | None:
    """As `take`; None where the value is null or absent."""
    return None if message.get(key) is None else take(message, key, kind)


def take_ids(message: Message, key: str) -> tuple[int, ...]:
    """A list of integers."""
    values = take(message, key, list)
    if not all(type(value) is int for value in values):
        raise WireError(f"{key!r} holds something that is no integer")
    return tuple(values)


def batches(texts: Mapping[str, Sequence[int]]) -> Iterator[dict[str, str]]:
    """Texts as a message carries them, in as many messages as their size takes; one that fits into none is left out."""
    batch: dict[str, str] = {}
    size = 0
    for name, ids in texts.items():
        packed = _packed(ids)
        if len(packed) > MOST_TEXT_BYTES:
            continue
        if batch and size + len(packed) > MOST_TEXT_BYTES:
            yield batch
            batch, size = {}, 0
        batch[name] = packed
        size += len(packed)
    if batch:
        yield batch


def take_texts(message: Message, key: str) -> dict[str, Sequence[int]]:
    """Texts as `batches` makes them. Raises: WireError."""
    return {name: _unpacked(packed) for name, packed in take(message, key, dict).items()}


def _packed(ids: Sequence[int]) -> str:
    """A whole document's ids: as JSON numbers they would take ten milliseconds a keystroke."""
    return base64.b64encode(array("I", ids).tobytes()).decode()


def _unpacked(packed: object) -> list[int]:
    """Raises: WireError."""
    try:
        return memoryview(base64.b64decode(packed, validate=True)).cast("I").tolist()  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise WireError(f"a text is not understood: {error}") from error


def request_to_json(request: CompletionRequest) -> dict[str, Any]:
    return {**asdict(replace(request, recall=None)), "recall": _recall_to_json(request.recall)}


def request_from_json(message: Message) -> CompletionRequest:
    """Raises: WireError; SettingsError for sampling values out of range."""
    sampling = take(message, "sampling", dict)
    return CompletionRequest(
        document=take(message, "document", str),
        prompt_ids=take_ids(message, "prompt_ids"),
        begins_with=take(message, "begins_with", str),
        recall=_recall_from_json(take_optional(message, "recall", dict)),
        sampling=SamplingParams(
            temperature=take(sampling, "temperature", float),
            top_p=take(sampling, "top_p", float),
            top_k=take(sampling, "top_k", int),
            max_new_tokens=take(sampling, "max_new_tokens", int),
            num_candidates=take(sampling, "num_candidates", int),
            seed=take_optional(sampling, "seed", int),
        ),
        stop=_member(StopRule, message, "stop"),
        least_probability=take(message, "least_probability", float),
        line_prefix=take(message, "line_prefix", str),
        deadline_ms=take_optional(message, "deadline_ms", int),
        prompt_format=take(message, "prompt_format", str),
    )


def _recall_to_json(recall: Recall | None) -> dict[str, Any] | None:
    if recall is None:
        return None
    texts = [_packed(ids) for ids in recall.texts]
    return {"texts": texts, "collection": recall.collection, "own_name": recall.own_name}


def _recall_from_json(message: Message | None) -> Recall | None:
    if message is None:
        return None
    return Recall(
        texts=tuple(tuple(_unpacked(each)) for each in take(message, "texts", list)),
        collection=take(message, "collection", str),
        own_name=take(message, "own_name", str),
    )


def result_to_json(result: CompletionResult) -> dict[str, Any]:
    return asdict(result)


def result_from_json(message: Message) -> CompletionResult:
    """Raises: WireError."""
    return CompletionResult(
        candidates=tuple(_candidate_from_json(each) for each in take(message, "candidates", list)),
        timings=_flat(Timings, take(message, "timings", dict)),
    )


def _candidate_from_json(message: object) -> Candidate:
    if not isinstance(message, dict):
        raise WireError("a candidate is no object")
    return Candidate(
        text=take(message, "text", str),
        token_ids=take_ids(message, "token_ids"),
        mean_logprob=take(message, "mean_logprob", float),
        finish_reason=_member(FinishReason, message, "finish_reason"),
    )


def status_to_json(status: EngineStatus) -> dict[str, Any]:
    return asdict(status)


def status_from_json(message: Message) -> EngineStatus:
    """Raises: WireError."""
    return _flat(EngineStatus, {**message, "state": _member(EngineState, message, "state")})


def error_to_json(error: ParrotletError) -> dict[str, str]:
    return {"type": type(error).__name__, "message": str(error)}


def error_from_json(message: Message) -> ParrotletError:
    """The error as it was raised in the engine; an unknown kind is an EngineError. Raises: WireError."""
    kind = getattr(errors, take(message, "type", str), None)
    text = take(message, "message", str)
    return kind(text) if isinstance(kind, type) and issubclass(kind, ParrotletError) else EngineError(text)


def _member(kind: type[T], message: Message, key: str) -> T:
    value = take(message, key, str)
    try:
        return kind(value)  # type: ignore[call-arg]
    except ValueError as error:
        raise WireError(f"{key!r} is {value[:40]!r}, which is no {kind.__name__}") from error


def _flat(kind: type[T], message: Message) -> T:
    """A dataclass of plain values. Unlike `take`, its types are the engine's own word."""
    names = {entry.name for entry in fields(kind)}  # type: ignore[arg-type]
    if not names <= message.keys():
        raise WireError(f"{kind.__name__} lacks {sorted(names - message.keys())[0]}")
    return kind(**{name: message[name] for name in names})
