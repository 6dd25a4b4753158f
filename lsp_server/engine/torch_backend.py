"""The network on torch as a back end: the reference in fp32, the form for GPUs, and with int8 weights for some CPUs.

Shape suffixes: H heads, T new tokens, S positions, D head width, C width, N tokens whose logits are wanted,
V vocabulary; 1 is the only row.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lsp_server.engine.backend import Span
from lsp_server.model.gpt2 import GPT2, GPT2Config


class TorchCache:
    """One sequence's keys and values; a branch has its prefix in another cache."""

    def __init__(self, config: GPT2Config, num_positions: int, like: Tensor, shared: TorchCache | None = None) -> None:
        """`like` gives device and number format."""
        shape = (config.num_layers, config.num_heads, num_positions, config.head_width)
        self.keys_LHSD, self.values_LHSD = like.new_empty(shape), like.new_empty(shape)
        self.shared = shared
        self.num_shared: int = shared.num_own if shared else 0
        self.num_own: int = 0

    @property
    def num_tokens(self) -> int:
        return self.num_shared + self.num_own

    @property
    def num_bytes(self) -> int:
        return self.keys_LHSD.nbytes + self.values_LHSD.nbytes

    def truncate(self, num_tokens: int) -> None:
        """Forget the tokens from `num_tokens` on."""
        assert self.num_shared <= num_tokens <= self.num_tokens
        self.num_own = num_tokens - self.num_shared

    def append(self, layer: int, keys_HTD: Tensor, values_HTD: Tensor) -> tuple[Tensor, Tensor]:
        """Store one layer's new tokens behind `num_own`; returns all of its own keys and values, HSD."""
        end = self.num_own + keys_HTD.shape[1]
        keys_HSD, values_HSD = self.keys_LHSD[layer, :, :end], self.values_LHSD[layer, :, :end]
        keys_HSD[:, self.num_own :] = keys_HTD
        values_HSD[:, self.num_own :] = values_HTD
        return keys_HSD, values_HSD


class TorchBackend:
    """All spans' tokens go through the network as one row; only attention takes each span by itself."""

    def __init__(self, network: GPT2, name: str, head: nn.Module | None = None) -> None:
        """`head` replaces the product with the token embedding that gives the logits."""
        self.name = name
        self._network = network
        self._head = head
        self._config = network.config

    draft_cost = 1.0
    draft_tokens = 0
    """None: in fp32 the linear layers take 2.2 times as long for five tokens as for one (torch 2.13, AVX2, an 8 x 512
    network), and int8 inputs share one scale, so that drafts beside a token would change its logits."""

    @property
    def device(self) -> str:
        return str(self._network.wte.weight.device)

    @property
    def vocab_size(self) -> int:
        return self._config.vocab_size

    @property
    def context_tokens(self) -> int:
        return self._config.context_tokens

    def new_cache(self) -> TorchCache:
        """An empty cache for the whole window."""
        return TorchCache(self._config, self._config.context_tokens, self._network.wte.weight)

    def branch(self, cache: TorchCache, num_new_tokens: int) -> TorchCache:
        """A sequence that goes on from all of `cache`, which must not change while its branches live."""
        return TorchCache(self._config, num_new_tokens, self._network.wte.weight, shared=cache)

    @torch.inference_mode()
    def forward(self, spans: Sequence[Span[TorchCache]]) -> list[Tensor]:
        """Append each span's tokens to its cache; returns its logits, NV in fp32."""
        memory = _SpansMemory(spans, self._network.wte.weight.device)
        ids_1T = torch.tensor([[token_id for span in spans for token_id in span.ids]], device=memory.positions_T.device)
        hidden_TC = self._network.hidden(ids_1T, memory)[0]
        for span in spans:
            span.cache.num_own += len(span.ids)
        parts_TC = torch.split(hidden_TC, [len(span.ids) for span in spans])
        wanted_NC = torch.cat([part[len(part) - span.num_logits :] for part, span in zip(parts_TC, spans, strict=True)])
        logits_NV = self._logits(wanted_NC) if len(wanted_NC) else wanted_NC.new_empty(0, self.vocab_size)
        return list(torch.split(logits_NV.float(), [span.num_logits for span in spans]))

    def _logits(self, hidden_NC: Tensor) -> Tensor:
        if self._head is None:
            return F.linear(hidden_NC, self._network.wte.weight)
        logits_NV: Tensor = self._head(hidden_NC)
        return logits_NV


class _SpansMemory:
    """The memory of one pass: the new tokens of all spans stand one behind the other."""

    def __init__(self, spans: Sequence[Span[TorchCache]], device: torch.device) -> None:
        self._spans = spans
        self._lengths = [len(span.ids) for span in spans]
        starts = [span.cache.num_tokens for span in spans]
        positions = [start + i for start, length in zip(starts, self._lengths, strict=True) for i in range(length)]
        self.positions_T = torch.tensor(positions, device=device)

    def attend(self, layer: int, queries_BHTD: Tensor, keys_BHTD: Tensor, values_BHTD: Tensor) -> Tensor:
        parts = (
            torch.split(part_BHTD[0], self._lengths, dim=1) for part_BHTD in (queries_BHTD, keys_BHTD, values_BHTD)
        )
        mixed = [
            _attend(span.cache, layer, queries_HTD, keys_HTD, values_HTD)
            for span, queries_HTD, keys_HTD, values_HTD in zip(self._spans, *parts, strict=True)
        ]
        return torch.cat(mixed, dim=1)[None]


def _attend(cache: TorchCache, layer: int, queries_HTD: Tensor, keys_HTD: Tensor, values_HTD: Tensor) -> Tensor:
    """What one span's new tokens see, HTD."""
    num_new = queries_HTD.shape[1]
    keys_HSD, values_HSD = cache.append(layer, keys_HTD, values_HTD)
    mask_TS = _causal_mask(num_new, keys_HSD.shape[1], queries_HTD.device) if num_new > 1 else None
    if cache.shared is None:
        return F.scaled_dot_product_attention(queries_HTD[None], keys_HSD[None], values_HSD[None], attn_mask=mask_TS)[0]
    shared_keys_HSD = cache.shared.keys_LHSD[layer, :, : cache.num_shared]
    shared_values_HSD = cache.shared.values_LHSD[layer, :, : cache.num_shared]
    own_scores_HTS = queries_HTD @ keys_HSD.transpose(1, 2)
    if mask_TS is not None:
        own_scores_HTS = own_scores_HTS.masked_fill(~mask_TS, float("-inf"))
    scores_HTS = torch.cat([queries_HTD @ shared_keys_HSD.transpose(1, 2), own_scores_HTS], dim=2)
    weights_HTS = (scores_HTS.float() * queries_HTD.shape[2] ** -0.5).softmax(dim=2).to(queries_HTD.dtype)
    shared_HTS, own_HTS = weights_HTS[:, :, : cache.num_shared], weights_HTS[:, :, cache.num_shared :]
    mixed_HTD: Tensor = shared_HTS @ shared_values_HSD + own_HTS @ values_HSD
    return mixed_HTD


def _causal_mask(num_new: int, num_all: int, device: torch.device) -> Tensor:
    """True where new token t may look at token s, TS; the new tokens are the last ones."""
    return torch.ones(num_new, num_all, dtype=torch.bool, device=device).tril(num_all - num_new)
