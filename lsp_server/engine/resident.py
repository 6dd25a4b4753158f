"""The resident model: network, tokenizer and cache slots. Used by one thread only; knows nothing of queues."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import torch

from lsp_server.engine.api import CompletionRequest, CompletionResult, OnTokens
from lsp_server.engine.decoding import Decoding, check_prompt, prefill
from lsp_server.engine.device import choose_device, compute_dtype, default_num_threads
from lsp_server.engine.kv_cache import DEFAULT_CACHE_BYTES, SlotPool
from lsp_server.model.bundle import open_bundle
from lsp_server.model.gpt2 import GPT2
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.model.weights import load_gpt2


class ResidentModel:
    """Answers requests one at a time; each is a generator that yields after every forward pass."""

    def __init__(
        self, network: GPT2, tokenizer: CodeTokenizer, name: str, max_cache_bytes: int = DEFAULT_CACHE_BYTES
    ) -> None:
        weight = network.wte.weight
        self.name = name
        self.device = str(weight.device)
        self._network, self._tokenizer = network, tokenizer
        self._slots = SlotPool(network.config, weight.device, weight.dtype, max_cache_bytes)

    @classmethod
    def load(cls, bundle_path: Path | None, device_name: str = "auto", num_threads: int | None = None) -> ResidentModel:
        """Read a bundle; None is the embedded one.

        Raises: BundleError, SettingsError.
        """
        bundle = open_bundle(bundle_path)
        device = choose_device(device_name)
        torch.set_num_threads(num_threads or default_num_threads())
        network = load_gpt2(bundle, device, compute_dtype(device))
        return cls(network, bundle.load_tokenizer(), str(bundle.path))

    @property
    def num_slots(self) -> int:
        return len(self._slots)

    def complete(
        self, request: CompletionRequest, received_at: float, on_tokens: OnTokens | None = None
    ) -> Generator[None, None, CompletionResult]:
        """Raises: PromptError, EngineError."""
        check_prompt(self._network, request.prompt_ids)
        slot = self._slots.open(request.document)
        decoding = Decoding(self._network, self._tokenizer, slot, request, received_at=received_at, on_tokens=on_tokens)
        return (yield from decoding.steps())

    def prefill(self, document: str, prompt_ids: tuple[int, ...]) -> Generator[None, None, None]:
        """Raises: PromptError."""
        check_prompt(self._network, prompt_ids)
        for _ in prefill(self._network, self._slots.open(document), prompt_ids):
            yield

    def forget(self, document: str) -> None:
        """Drop a document's slot."""
        self._slots.forget(document)
