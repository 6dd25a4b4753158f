"""An engine with manners: it keeps back what looks like a credential, asks no model in another's language, and tells
trainings that their user is typing. Knows no LSP and no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lsp_server.activity import Activity
from lsp_server.credentials import holds_credential
from lsp_server.engine.api import CompletionRequest, CompletionResult, Engine, EngineStatus, OnTokens


class ConsiderateEngine:
    """An `Engine` for one opened model, in front of the one that answers."""

    def __init__(self, engine: Engine, prompt_format: str) -> None:
        """`prompt_format`: of the model that prompts are made for."""
        self._engine, self._prompt_format = engine, prompt_format
        self._activity = Activity()

    async def complete(self, request: CompletionRequest, on_tokens: OnTokens | None = None) -> CompletionResult:
        """Without candidates that hold a credential: a model may have learnt one that no filter of its corpus knew."""
        self._activity.note()
        result = await self._engine.complete(replace(request, prompt_format=self._prompt_format), on_tokens)
        kept = tuple(each for each in result.candidates if not holds_credential(request.line_prefix + each.text))
        return replace(result, candidates=kept)

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
