"""An engine that answers from a script, for tests of everything above the engine. No user can choose it. No torch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lsp_server.engine.api import (
    Candidate,
    CompletionRequest,
    CompletionResult,
    EngineState,
    EngineStatus,
    FinishReason,
    OnTokens,
    StopRule,
    Timings,
)
from lsp_server.errors import EngineLoadingError
from lsp_server.model.blocks import block_end, line_end

Script = Callable[[CompletionRequest, int], Iterable[str]]
"""Pieces of the candidate with this index, one for each decoding step. What it raises is the engine's failure."""


@dataclass(slots=True)
class _Progress:
    text: str = ""
    num_tokens: int = 0
    finish_reason: FinishReason = FinishReason.END_OF_TEXT


class FakeEngine:
    """Keeps the promises of `engine.api.Engine`: stop rules, limits, supersession, and no step after a cancellation."""

    def __init__(self, script: Script, *, step_seconds: float = 0.0, state: EngineState = EngineState.READY) -> None:
        self.state = state
        self.requests: list[CompletionRequest] = []
        self.prefills: list[tuple[str, tuple[int, ...]]] = []
        self.remembered: dict[str, dict[str, tuple[int, ...]]] = {}
        self.num_steps = 0
        self.num_reloads = 0
        self._script = script
        self._step_seconds = step_seconds
        self._running: dict[str, asyncio.Task[CompletionResult]] = {}

    async def complete(self, request: CompletionRequest, on_tokens: OnTokens | None = None) -> CompletionResult:
        self._check_ready()
        if request.document in self._running:
            self._running[request.document].cancel()
        self.requests.append(request)
        task = asyncio.ensure_future(self._answer(request, on_tokens))
        self._running[request.document] = task
        try:
            return await task
        finally:
            task.cancel()
            if self._running.get(request.document) is task:
                del self._running[request.document]

    async def prefill(self, document: str, prompt_ids: tuple[int, ...]) -> None:
        """There is nothing to warm, but that it was asked for is remembered."""
        self._check_ready()
        self.prefills.append((document, prompt_ids))

    async def remember(self, collection: str, texts: Mapping[str, Sequence[int]]) -> None:
        kept = self.remembered.setdefault(collection, {})
        kept.update({name: tuple(ids) for name, ids in texts.items()})

    async def reload(self, bundle: Path | None) -> None:  # noqa: ARG002  the script is all there is to load
        self.num_reloads += 1

    async def status(self) -> EngineStatus:
        return EngineStatus(
            state=self.state,
            model="fake",
            device="cpu",
            num_requests=len(self.requests),
            num_steps=self.num_steps,
        )

    async def close(self) -> None:
        for task in self._running.values():
            task.cancel()

    def _check_ready(self) -> None:
        if self.state is not EngineState.READY:
            raise EngineLoadingError("the model is still loading: suggestions come as soon as it is ready")

    async def _answer(self, request: CompletionRequest, on_tokens: OnTokens | None) -> CompletionResult:
        done = [await self._decode(request, index, on_tokens) for index in range(request.sampling.num_candidates)]
        candidates = tuple(
            Candidate(
                text=progress.text,
                token_ids=tuple(range(progress.num_tokens)),
                mean_logprob=-1.0 - index,
                finish_reason=progress.finish_reason,
            )
            for index, progress in enumerate(done)
        )
        timings = Timings(
            queue_ms=0.0,
            prefill_ms=0.0,
            decode_ms=0.0,
            prompt_tokens=len(request.prompt_ids),
            reused_tokens=0,
            new_tokens=max(progress.num_tokens for progress in done),
        )
        return CompletionResult(candidates=candidates, timings=timings)

    async def _decode(self, request: CompletionRequest, index: int, on_tokens: OnTokens | None) -> _Progress:
        progress = _Progress()
        for piece in self._script(request, index):
            await asyncio.sleep(self._step_seconds)
            self.num_steps += 1
            progress.text += piece
            progress.num_tokens += 1
            if on_tokens:
                on_tokens(index, piece)
            end = _stop(request, progress.text)
            if end is not None:
                progress.text, progress.finish_reason = progress.text[:end], FinishReason.STOP_RULE
                break
            if progress.num_tokens == request.sampling.max_new_tokens:
                progress.finish_reason = FinishReason.LENGTH
                break
        return progress


def _stop(request: CompletionRequest, text: str) -> int | None:
    if request.stop is StopRule.LINE:
        return line_end(text)
    return block_end(request.line_prefix, text) if request.stop is StopRule.BLOCK else None
