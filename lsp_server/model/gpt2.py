"""GPT-2, for training and for decoding: the one network of the project. Knows nothing of text, prompts or sampling.

Shape suffixes: B rows, T new tokens, S cached tokens + T, H heads, D head width, C width (H*D), V vocabulary.
Parameter names are those of `transformers.GPT2LMHeadModel` with `nn.Linear` in place of its transposed Conv1D; `to_hf`
and `from_hf` convert both ways.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LAYER_NORM_EPSILON = 1e-5
"""GPT-2's own. Source: `layer_norm_epsilon` of the released config.json."""
INIT_STD = 0.02
"""GPT-2's own; residual projections are scaled by 1/sqrt(2 * layers). Source: the GPT-2 paper, section 2.3."""
_TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class GPT2Config:
    """The network's shape."""

    vocab_size: int
    context_tokens: int
    """Learned positions: the longest sequence there can be."""
    width: int
    num_layers: int
    num_heads: int
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if min(self.vocab_size, self.context_tokens, self.width, self.num_layers, self.num_heads) < 1:
            raise ValueError(f"every size of {self} must be at least 1")
        if self.width % self.num_heads:
            raise ValueError(f"num_heads {self.num_heads} does not divide width {self.width}")

    @property
    def head_width(self) -> int:
        return self.width // self.num_heads


class KeyValueCache(Protocol):
    """Keys and values of tokens already seen; the engine owns the memory behind it."""

    @property
    def num_tokens(self) -> int:
        """Tokens held, the same for every row and layer, until `advance`."""
        ...

    def append(self, layer: int, keys_BHTD: Tensor, values_BHTD: Tensor) -> tuple[Tensor, Tensor]:
        """Store the new tokens behind `num_tokens`; returns all keys and values, each BHSD."""
        ...

    def advance(self, num_new_tokens: int) -> None:
        """Count the tokens that every layer has appended."""
        ...


class Attention(nn.Module):
    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.dropout = config.dropout
        self.c_attn = nn.Linear(config.width, 3 * config.width)
        self.c_proj = nn.Linear(config.width, config.width)

    def forward(self, x_BTC: Tensor, layer: int, cache: KeyValueCache | None) -> Tensor:
        num_rows, num_new, width = x_BTC.shape
        qkv_BTHD = (part.view(num_rows, num_new, self.num_heads, -1) for part in self.c_attn(x_BTC).split(width, dim=2))
        queries_BHTD, keys_BHSD, values_BHSD = (part.transpose(1, 2) for part in qkv_BTHD)
        mask_TS = None
        if cache is not None:
            keys_BHSD, values_BHSD = cache.append(layer, keys_BHSD, values_BHSD)
            if 1 < num_new < keys_BHSD.shape[2]:
                mask_TS = _causal_mask(num_new, keys_BHSD.shape[2], x_BTC.device)
        mixed_BHTD = F.scaled_dot_product_attention(
            queries_BHTD,
            keys_BHSD,
            values_BHSD,
            attn_mask=mask_TS,
            is_causal=mask_TS is None and num_new > 1,
            dropout_p=self.dropout if self.training else 0.0,
        )
        mixed_BTC = mixed_BHTD.transpose(1, 2).reshape(num_rows, num_new, width)
        return F.dropout(self.c_proj(mixed_BTC), self.dropout, self.training)


class MLP(nn.Module):
    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.c_fc = nn.Linear(config.width, 4 * config.width)
        self.c_proj = nn.Linear(4 * config.width, config.width)

    def forward(self, x_BTC: Tensor) -> Tensor:
        hidden_BTF = F.gelu(self.c_fc(x_BTC), approximate="tanh")
        return F.dropout(self.c_proj(hidden_BTF), self.dropout, self.training)


class Block(nn.Module):
    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPSILON)
        self.attn = Attention(config)
        self.ln_2 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPSILON)
        self.mlp = MLP(config)

    def forward(self, x_BTC: Tensor, layer: int, cache: KeyValueCache | None) -> Tensor:
        x_BTC = x_BTC + self.attn(self.ln_1(x_BTC), layer, cache)
        output_BTC: Tensor = x_BTC + self.mlp(self.ln_2(x_BTC))
        return output_BTC


class GPT2(nn.Module):
    """Token ids in, next-token logits out; the output layer is the token embedding, transposed."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.width)
        self.wpe = nn.Embedding(config.context_tokens, config.width)
        self.h = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.ln_f = nn.LayerNorm(config.width, eps=LAYER_NORM_EPSILON)
        self._initialise()

    def _initialise(self) -> None:
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif "ln_" not in name:
                scale = math.sqrt(2 * self.config.num_layers) if name.endswith("c_proj.weight") else 1.0
                nn.init.normal_(parameter, std=INIT_STD / scale)

    def hidden(self, ids_BT: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """The last layer's normalised output, BTC. With a cache, the new tokens stand behind those it holds."""
        num_past = 0 if cache is None else cache.num_tokens
        num_new = ids_BT.shape[1]
        if num_past + num_new > self.config.context_tokens:
            raise ValueError(f"{num_past + num_new} tokens do not fit {self.config.context_tokens} positions")
        positions_T = torch.arange(num_past, num_past + num_new, device=ids_BT.device)
        x_BTC = F.dropout(self.wte(ids_BT) + self.wpe(positions_T), self.config.dropout, self.training)
        for layer, block in enumerate(self.h):
            x_BTC = block(x_BTC, layer, cache)
        if cache is not None:
            cache.advance(num_new)
        normalised_BTC: Tensor = self.ln_f(x_BTC)
        return normalised_BTC

    def forward(self, ids_BT: Tensor, cache: KeyValueCache | None = None, *, last_only: bool = False) -> Tensor:
        """Logits BTV, or BV of the last token alone with `last_only`."""
        x_BTC = self.hidden(ids_BT, cache)
        if last_only:
            return F.linear(x_BTC[:, -1], self.wte.weight)
        return F.linear(x_BTC, self.wte.weight)

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())


def _causal_mask(num_new: int, num_all: int, device: torch.device) -> Tensor:
    """True where new token t may look at token s, TS; the new tokens are the last ones."""
    return torch.ones(num_new, num_all, dtype=torch.bool, device=device).tril(num_all - num_new)


def to_hf(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our parameters under the names and orientations of GPT2LMHeadModel (its tied lm_head is left out)."""
    return {f"transformer.{name}": _reorient(name, tensor) for name, tensor in state.items()}


def from_hf(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A GPT2LMHeadModel state dict as ours; buffers and the tied lm_head are dropped."""
    ours = {name.removeprefix("transformer."): tensor for name, tensor in state.items() if name != "lm_head.weight"}
    return {
        name: _reorient(name, tensor)
        for name, tensor in ours.items()
        if not name.endswith((".attn.bias", ".attn.masked_bias"))
    }


def _reorient(name: str, tensor: Tensor) -> Tensor:
    return tensor.t().contiguous() if name.endswith(_TRANSPOSED) else tensor
