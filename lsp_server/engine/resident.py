"""The resident model: back end, tokenizer and cache slots. Used by one thread only; knows nothing of queues.

A GPU that runs out of memory or goes away costs the requests under way: the model is read again onto the CPU and stays.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from torch import Tensor

from lsp_server.engine.api import CompletionRequest, CompletionResult, OnTokens
from lsp_server.engine.backend import Backend, Span
from lsp_server.engine.backends import open_backend
from lsp_server.engine.continuation import Detokenizer
from lsp_server.engine.decoding import Decoding, check_prompt, prefill
from lsp_server.engine.device import choose_device, is_failure, release_memory, what_happened
from lsp_server.engine.healing import Healer
from lsp_server.engine.slots import DEFAULT_CACHE_BYTES, SlotPool
from lsp_server.errors import DeviceFailedError, EngineError, ModelChangedError, ParrotletError
from lsp_server.model.ngrams import NgramTable
from lsp_server.model.opening import open_model, prompt_format
from lsp_server.model.spelling import Spellings
from lsp_server.recall.collections import Collections
from lsp_server.recall.recollection import Recollection

logger = logging.getLogger(__name__)

AnySpans = list[Span[Any]]  # Any: of whatever cache the back end has
AnyBackend = Backend[Any]  # Any: as above
R = TypeVar("R")
OpenBackend = Callable[[], AnyBackend]


class EngineTokenizer(Detokenizer, Protocol):
    """What turns text into tokens and back, and knows how each is spelt."""

    def encode(self, text: str, /) -> list[int]: ...

    def spellings(self) -> Spellings: ...


class ResidentModel:
    """Answers requests; each is a generator of the tokens to read next, which `forward` reads for many at a time."""

    def __init__(
        self,
        backend: AnyBackend,
        tokenizer: EngineTokenizer,
        name: str,
        max_cache_bytes: int = DEFAULT_CACHE_BYTES,
        drafts: NgramTable | None = None,
        collections: Collections | None = None,
        open_on_cpu: OpenBackend | None = None,
        prompt_format: str = "",
    ) -> None:
        """`open_on_cpu` takes over when the device fails; None where the model is on the CPU.

        `prompt_format`: of the ids that it reads; empty reads any.
        """
        self._prompt_format = prompt_format
        self.name = name
        self.message = ""
        self._drafts = drafts
        self._collections = collections or Collections()
        self._backend, self._tokenizer = backend, tokenizer
        self._healer = Healer(tokenizer.spellings(), tokenizer.encode)
        self._max_cache_bytes = max_cache_bytes
        self._slots = SlotPool(backend, max_cache_bytes)
        self._open_on_cpu = open_on_cpu
        self._has_moved = False

    @classmethod
    def load(
        cls,
        bundle_path: Path | None,
        device_name: str = "auto",
        num_threads: int | None = None,
        backend_name: str = "auto",
        collections: Collections | None = None,
    ) -> ResidentModel:
        """Read a bundle, or a folder from the Hub; None is the embedded model.

        Raises: BundleError, SettingsError, EngineError.
        """
        source = open_model(bundle_path)
        open_on_cpu = partial(open_backend, source, "cpu", num_threads)
        message = ""
        try:
            backend = open_backend(source, device_name, num_threads, backend_name)
        except RuntimeError as error:
            if not is_failure(error):
                raise
            backend, message = open_on_cpu(), _news(str(choose_device(device_name)), error)
        path = source.drafts_path
        drafts = None if path is None else NgramTable.load(path, backend.vocab_size)
        model = cls(
            backend,
            source.load_tokenizer(),
            str(source.path),
            drafts=drafts,
            collections=collections,
            open_on_cpu=None if backend.device == "cpu" else open_on_cpu,
            prompt_format=prompt_format(source),
        )
        model.message, model._has_moved = message, bool(message)
        return model

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
        """Raises: ModelChangedError, PromptError, EngineError."""
        return (yield from self._watched(self._complete(request, received_at, on_tokens)))

    def _complete(
        self, request: CompletionRequest, received_at: float, on_tokens: OnTokens | None
    ) -> Generator[AnySpans, list[Tensor], CompletionResult]:
        self._check_format(request)
        check_prompt(self._backend, request.prompt_ids)
        with self._slots.use(request.document) as slot:
            decoding = Decoding(
                self._backend,
                self._tokenizer,
                slot,
                request,
                received_at=received_at,
                healer=self._healer,
                recollection=self._recollection(request),
                draft_table=self._drafts,
                on_tokens=on_tokens,
            )
            return (yield from decoding.steps())

    def _recollection(self, request: CompletionRequest) -> Recollection | None:
        recall, sentinel_ids = request.recall, self._tokenizer.sentinel_ids
        if recall is None:
            return None
        return Recollection(
            [*recall.texts, request.prompt_ids],
            frozenset(sentinel_ids.values()),
            index=self._collections.index_of(recall.collection),
            own_name=recall.own_name,
        )

    def _check_format(self, request: CompletionRequest) -> None:
        """Raises: ModelChangedError."""
        wanted = request.prompt_format
        if wanted and self._prompt_format and wanted != self._prompt_format:
            raise ModelChangedError(f"{self.name} is in use by now, which reads other tokens: ask again")

    def prefill(self, document: str, prompt_ids: tuple[int, ...]) -> Generator[AnySpans, list[Tensor], None]:
        """Raises: PromptError, EngineError."""
        yield from self._watched(self._prefill(document, prompt_ids))

    def _prefill(self, document: str, prompt_ids: tuple[int, ...]) -> Generator[AnySpans, list[Tensor], None]:
        check_prompt(self._backend, prompt_ids)
        with self._slots.use(document) as slot:
            yield from prefill(slot, prompt_ids)

    def forward(self, spans: AnySpans) -> list[Tensor]:
        """One pass over the tokens that several requests want read; each span's logits. Raises: EngineError."""
        if self._has_moved:
            self._has_moved = False
            release_memory()  # by now the requests have ended that kept the old caches
        try:
            return self._backend.forward(spans)
        except RuntimeError as error:
            raise self._after(error) from error

    def forget(self, document: str) -> None:
        """Drop a document's slot."""
        self._slots.forget(document)

    def _watched(self, steps: Generator[AnySpans, list[Tensor], R]) -> Generator[AnySpans, list[Tensor], R]:
        """The same steps; a device fails where its answer is looked at, which may be long after the pass."""
        try:
            return (yield from steps)
        except RuntimeError as error:
            raise self._after(error) from error

    def _after(self, error: RuntimeError) -> Exception:
        """What to raise in place of an error; when the device caused it, the model has moved to the CPU."""
        if self._open_on_cpu is None or not is_failure(error):
            return error
        failed = self._backend.device
        what = f"{failed} {what_happened(error)}"
        try:
            self._backend = self._open_on_cpu()
        except ParrotletError as second:
            return EngineError(f"{what}, and the CPU cannot take over: {second}")
        self._slots = SlotPool(self._backend, self._max_cache_bytes)
        self._open_on_cpu = None
        self._has_moved = True
        self.message = _news(failed, error)
        return DeviceFailedError(f"{what}: ask again, the model runs on the CPU now")


def _news(device: str, error: RuntimeError) -> str:
    """What a user should know of a device that failed; the log is told here, once."""
    message = f"{device} {what_happened(error)}: the model runs on the CPU until the engine is started again"
    logger.warning("%s", message)
    logger.debug("the device's error", exc_info=error)
    return message
