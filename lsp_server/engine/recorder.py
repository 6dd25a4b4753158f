"""An engine that keeps the timings of what goes through it. Changes nothing on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lsp_server.engine.api import CompletionRequest, CompletionResult, Engine, EngineStatus, OnTokens, Timings


class Recorder:
    """An `Engine` in front of another one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.timings: list[Timings] = []
        """One for each answered request, in order."""

    async def complete(self, request: CompletionRequest, on_tokens: OnTokens | None = None) -> CompletionResult:
        result = await self._engine.complete(request, on_tokens)
        self.timings.append(result.timings)
        return result

    async def prefill(self, document: str, prompt_ids: tuple[int, ...]) -> None:
        await self._engine.prefill(document, prompt_ids)

    async def remember(self, collection: str, texts: Mapping[str, Sequence[int]]) -> None:
        await self._engine.remember(collection, texts)

    async def reload(self, bundle: Path | None) -> None:
        await self._engine.reload(bundle)

    async def status(self) -> EngineStatus:
        return await self._engine.status()

    async def close(self) -> None:
        await self._engine.close()
