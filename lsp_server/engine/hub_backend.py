"""Any causal language model of the Hub as a back end, through transformers: one call of the network for each span.

Right before fast: requests do not share a pass, and keys and values are copied as they grow.

Shape suffixes: T new tokens, N tokens whose logits are wanted, V vocabulary; 1 is the only row.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lsp_server.engine.backend import Span
from lsp_server.engine.device import is_failure
from lsp_server.errors import BundleError
from lsp_server.model.bundle import CONFIG
from lsp_server.model.hub_folder import HubModel
from lsp_server.model.hub_tokenizer import CHOOSE_ANOTHER
from lsp_server.model.hub_weights import Network, load_network


class HubCache:
    """One sequence's keys and values, in transformers' own growing cache."""

    def __init__(self, states: Any, full_bytes: int) -> None:  # Any: a DynamicCache
        self.states = states
        self._full_bytes = full_bytes

    @property
    def num_tokens(self) -> int:
        return int(self.states.get_seq_length())

    @property
    def num_bytes(self) -> int:
        """Of the whole window."""
        return self._full_bytes

    def truncate(self, num_tokens: int) -> None:
        """Forget the tokens from `num_tokens` on."""
        assert 0 <= num_tokens <= self.num_tokens
        if num_tokens < self.num_tokens:
            self.states.crop(num_tokens - self.num_tokens)


class HubBackend:
    """Belongs to one thread."""

    draft_cost = 1.0
    draft_tokens = 0
    """Not measured: a pass over several tokens is a product of other shape, which may differ in the last digit."""

    def __init__(self, network: Network, model: HubModel) -> None:
        """Raises: BundleError when the network's memory cannot be cut, or it does not decode."""
        self._network = network
        self.name = f"transformers {model.model_type}, {str(network.dtype).removeprefix('torch.')}"
        self.vocab_size = model.vocab_size
        self.context_tokens = model.prompts.context_tokens
        self._takes_logits_to_keep = "logits_to_keep" in inspect.signature(network.forward).parameters
        self._full_bytes = 0
        check_memory(network, model)
        self._full_bytes = self.context_tokens * self._try(model)

    @property
    def device(self) -> str:
        return str(self._network.device)

    def new_cache(self) -> HubCache:
        """An empty cache. It is told nothing of sliding windows: ours is not longer than they are."""
        from transformers import DynamicCache

        return HubCache(DynamicCache(), self._full_bytes)

    def branch(self, cache: HubCache, num_new_tokens: int) -> HubCache:  # noqa: ARG002  it grows as it needs
        """A copy of all of `cache`."""
        return HubCache(copy.deepcopy(cache.states), self._full_bytes)

    @torch.inference_mode()
    def forward(self, spans: Sequence[Span[HubCache]]) -> list[Tensor]:
        """Append each span's tokens to its cache; returns its logits, NV in fp32."""
        return [self._read(span) for span in spans]

    def _read(self, span: Span[HubCache]) -> Tensor:
        ids_1T = torch.tensor([list(span.ids)], device=self._network.device)
        num_computed = max(1, span.num_logits)  # 0 means all of them to transformers
        keep = {"logits_to_keep": num_computed} if self._takes_logits_to_keep else {}
        output = self._network(input_ids=ids_1T, past_key_values=span.cache.states, use_cache=True, **keep)
        logits_NV: Tensor = output.logits[0, -num_computed:].float()
        return logits_NV[len(logits_NV) - span.num_logits :]

    def _try(self, model: HubModel) -> int:
        """Read a token, forget it and read it again; returns the bytes that it takes in a cache."""
        cache = self.new_cache()
        where = f"{model.path / CONFIG}: this {model.model_type}"
        try:
            (first_NV,) = self.forward([Span(cache=cache, ids=[0])])
            self.forward([Span(cache=cache, ids=[0], num_logits=0)])
            is_remembered = cache.num_tokens == 2
            num_bytes = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.states.layers) // 2
            if is_remembered:
                cache.truncate(1)
                cache.truncate(0)
            (again_NV,) = self.forward([Span(cache=cache, ids=[0])])
        except Exception as error:  # what a network without such a memory raises is its own affair
            if is_failure(error):
                raise
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise BundleError(f"{where} does not decode with a cache ({reason}): {CHOOSE_ANOTHER}") from error
        if not is_remembered or not torch.equal(first_NV, again_NV):
            raise BundleError(f"{where} cannot forget what it has read: {CHOOSE_ANOTHER} with attention in every layer")
        if first_NV.shape[1] < self.vocab_size or not bool(torch.isfinite(first_NV).all()):
            raise BundleError(f"{where} answers with no distribution over its tokens: {CHOOSE_ANOTHER}")
        return int(num_bytes)


def check_memory(network: Network, model: HubModel) -> None:
    """Every layer remembers each token of the window by itself, so that the last ones can be forgotten.

    Raises: BundleError naming the layer.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    for number, layer in enumerate(DynamicCache(config=network.config).layers):
        kind = type(layer)
        if kind is DynamicSlidingWindowLayer and layer.sliding_window < model.prompts.context_tokens:
            what = f"slides over {layer.sliding_window} tokens, fewer than the window's {model.prompts.context_tokens}"
        elif kind not in (DynamicLayer, DynamicSlidingWindowLayer):
            what = f"is a {kind.__name__}, whose memory cannot go back to an earlier token"
        else:
            continue
        raise BundleError(f"{model.path / CONFIG}: layer {number} {what}: {CHOOSE_ANOTHER}")


def open_hub_backend(model: HubModel, device: torch.device) -> HubBackend:
    """Raises: EngineError without transformers, BundleError for a network that does not fit."""
    return HubBackend(load_network(model, device, number_format(device)), model)


def number_format(device: torch.device) -> torch.dtype:
    """bf16 on GPUs that have it, fp32 elsewhere.

    In fp16, networks that were trained in bf16 overflow. On a CPU without bf16 products (AMD EPYC, one core) Qwen2.5
    0.5B's shape reads 14 tokens a second in bf16 and 91 in fp32, and decodes in 153 and 129 ms a token.
    """
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0):
        return torch.bfloat16
    return torch.float32
