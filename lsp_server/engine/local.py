"""The engine inside this process: asyncio in front of the worker thread. Imports torch in that thread only."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lsp_server.engine.api import CompletionRequest, CompletionResult, EngineStatus, OnTokens
from lsp_server.engine.choice import EngineChoice
from lsp_server.engine.job import LoadModel, Model
from lsp_server.engine.memory import resident_bytes
from lsp_server.engine.worker import Worker
from lsp_server.library.choice import model_in_use
from lsp_server.recall.collections import Collections

STOP_SECONDS = 2.0
"""A step takes milliseconds; only a model that is being loaded can take longer, and it may be left behind."""


class LocalEngine:
    """An `Engine` without a process or a socket of its own."""

    def __init__(
        self,
        choice: EngineChoice | None = None,
        *,
        load_model: LoadModel | None = None,
    ) -> None:
        """`choice` None is the default of everything; `load_model` replaces how a model is read."""
        choice = choice or EngineChoice()
        self._collections = Collections()
        self._worker = Worker(load_model or _loader(choice, self._collections), choice.model, choice.device)

    async def complete(self, request: CompletionRequest, on_tokens: OnTokens | None = None) -> CompletionResult:
        self._worker.start()
        if on_tokens is None:
            return await asyncio.wrap_future(self._worker.complete(request))
        stream = _Stream(on_tokens)
        try:
            return await asyncio.wrap_future(self._worker.complete(request, stream.put))
        finally:
            stream.close()

    async def prefill(self, document: str, prompt_ids: tuple[int, ...]) -> None:
        self._worker.start()
        await asyncio.wrap_future(self._worker.prefill(document, prompt_ids))

    async def remember(self, collection: str, texts: Mapping[str, Sequence[int]]) -> None:
        self._collections.remember(collection, texts)

    async def reload(self, bundle: Path | None) -> None:
        self._worker.start()
        await asyncio.wrap_future(self._worker.reload(bundle))

    async def status(self) -> EngineStatus:
        self._worker.start()
        return replace(self._worker.status(), memory_bytes=resident_bytes())

    async def close(self) -> None:
        await asyncio.to_thread(self._worker.stop, STOP_SECONDS)

    def settle(self, timeout_s: float) -> bool:
        """Wait until all that was remembered can be found."""
        return self._collections.settle(timeout_s)

    def forget_collection(self, collection: str) -> None:
        self._collections.forget(collection)

    def forget(self, document: str) -> None:
        """Drop a document's cache slot."""
        self._worker.forget(document)

    @property
    def is_running(self) -> bool:
        """Whether the worker's thread is alive; after `close` only while it loads a model."""
        return self._worker.is_alive

    @property
    def num_queued(self) -> int:
        """Requests that wait for their turn."""
        return self._worker.num_queued


class _Stream:
    """Carries tokens from the worker's thread to the caller's event loop, until the caller has its answer."""

    def __init__(self, on_tokens: OnTokens) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_tokens: OnTokens | None = on_tokens

    def put(self, candidate: int, text: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody listens any more
            self._loop.call_soon_threadsafe(self._deliver, candidate, text)

    def close(self) -> None:
        self._on_tokens = None

    def _deliver(self, candidate: int, text: str) -> None:
        if self._on_tokens is not None:
            self._on_tokens(candidate, text)


def _loader(choice: EngineChoice, collections: Collections) -> Callable[[Path | None], Model]:
    def load(bundle: Path | None) -> Model:
        from lsp_server.engine.resident import ResidentModel  # torch: a second's import, off the event loop

        folder = bundle or model_in_use()
        return ResidentModel.load(folder, choice.device, choice.threads, choice.backend, collections)

    return load
