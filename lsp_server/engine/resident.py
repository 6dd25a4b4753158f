"""The resident model: back end, tokenizer and cache slots. Used by one thread only; knows nothing of queues."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

from torch import Tensor

from lsp_server.engine.api import CompletionRequest, CompletionResult, OnTokens
from lsp_server.engine.backend import Backend, Span
from lsp_server.engine.backends import open_backend
from lsp_server.engine.continuation import Detokenizer
from lsp_server.engine.decoding import Decoding, check_prompt, prefill
from lsp_server.engine.slots import DEFAULT_CACHE_BYTES, SlotPool
from lsp_server.model.ngrams import NgramTable
from lsp_server.model.opening import open_model

AnySpans = list[Span[Any]]  # Any: of whatever cache the back end has


class ResidentModel:
    """Answers requests; each is a generator of the tokens to read next, which `forward` reads for many at a time."""

    def __init__(
        self,
        backend: Backend[Any],  # Any: as above
        tokenizer: Detokenizer,
        name: str,
        max_cache_bytes: int = DEFAULT_CACHE_BYTES,
        drafts: NgramTable | None = None,
    ) -> None:
        self.name = name
        self._drafts = drafts
        self._backend, self._tokenizer = backend, tokenizer
        self._slots = SlotPool(backend, max_cache_bytes)

    @classmethod
    def load(
        cls,
        bundle_path: Path | None,
        device_name: str = "auto",
        num_threads: int | None = None,
        backend_name: str = "auto",
    ) -> ResidentModel:
        """Read a bundle, or a folder from the Hub; None is the embedded model.

        Raises: BundleError, SettingsError, EngineError.
        """
        model = open_model(bundle_path)
        backend = open_backend(model, device_name, num_threads, backend_name)
        path = model.drafts_path
        drafts = None if path is None else NgramTable.load(path, backend.vocab_size)
        return cls(backend, model.load_tokenizer(), str(model.path), drafts=drafts)

    @property
    def device(self) -> str:
        return self._backend.device

    @property
    def backend_name(self) -> str:
        return self._backend.name

    @property
    def num_slots(self) -> int:
        return len(self._slots)

    def complete(
        self, request: CompletionRequest, received_at: float, on_tokens: OnTokens | None = None
    ) -> Generator[AnySpans, list[Tensor], CompletionResult]:
        """Raises: PromptError, EngineError."""
        check_prompt(self._backend, request.prompt_ids)
        with self._slots.use(request.document) as slot:
            decoding = Decoding(
                self._backend,
                self._tokenizer,
                slot,
                request,
                received_at=received_at,
                draft_table=self._drafts,
                on_tokens=on_tokens,
            )
            return (yield from decoding.steps())

    def prefill(self, document: str, prompt_ids: tuple[int, ...]) -> Generator[AnySpans, list[Tensor], None]:
        """Raises: PromptError."""
        check_prompt(self._backend, prompt_ids)
        with self._slots.use(document) as slot:
            yield from prefill(slot, prompt_ids)

    def forward(self, spans: AnySpans) -> list[Tensor]:
        """One pass over the tokens that several requests want read; each span's logits. Raises: EngineError."""
        return self._backend.forward(spans)

    def forget(self, document: str) -> None:
        """Drop a document's slot."""
        self._slots.forget(document)
