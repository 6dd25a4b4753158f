"""GPT-2, for training and for decoding: the one network of the project. Knows nothing of text, prompts or sampling.

Shape suffixes: B rows, T new tokens, H heads, D head width, C width (H*D), V vocabulary.
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

from lsp_server.model.document_mask import DocumentMask

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


class KeyValueMemory(Protocol):
    """Keys and values of tokens already seen, for one pass over new ones; the engine owns what is behind it."""

    @property
    def positions_T(self) -> Tensor:
        """Each new token's position."""
        ...

    def attend(self, layer: int, queries_BHTD: Tensor, keys_BHTD: Tensor, values_BHTD: Tensor) -> Tensor:
        """Store the new tokens' keys and values; returns what each query sees of all there are, mixed, BHTD."""
        ...


class Attention(nn.Module):
    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.dropout = config.dropout
        self.c_attn = nn.Linear(config.width, 3 * config.width)
        self.c_proj = nn.Linear(config.width, config.width)

    def forward(self, x_BTC: Tensor, layer: int, memory: KeyValueMemory | None) -> Tensor:
        num_rows, num_new, width = x_BTC.shape
        qkv_BTHD = (part.view(num_rows, num_new, self.num_heads, -1) for part in self.c_attn(x_BTC).split(width, dim=2))
        queries_BHTD, keys_BHTD, values_BHTD = (part.transpose(1, 2) for part in qkv_BTHD)
        if memory is None:
            dropout = self.dropout if self.training else 0.0
            mixed_BHTD = F.scaled_dot_product_attention(
                queries_BHTD, keys_BHTD, values_BHTD, is_causal=True, dropout_p=dropout
            )
        else:
            mixed_BHTD = memory.attend(layer, queries_BHTD, keys_BHTD, values_BHTD)
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

    def forward(self, x_BTC: Tensor, layer: int, memory: KeyValueMemory | None) -> Tensor:
        x_BTC = x_BTC + self.attn(self.ln_1(x_BTC), layer, memory)
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

    def hidden(self, ids_BT: Tensor, memory: KeyValueMemory | None = None) -> Tensor:
        """The last layer's normalised output, BTC. With a memory, the new tokens stand behind those it holds."""
        if memory is None:
            num_new, num_positions = ids_BT.shape[1], self.config.context_tokens
            if num_new > num_positions:
                raise ValueError(f"{num_new} tokens do not fit {num_positions} positions")
            positions_T = torch.arange(num_new, device=ids_BT.device)
        else:
            positions_T = memory.positions_T
        x_BTC = F.dropout(self.wte(ids_BT) + self.wpe(positions_T), self.config.dropout, self.training)
        for layer, block in enumerate(self.h):
            x_BTC = block(x_BTC, layer, memory)
        normalised_BTC: Tensor = self.ln_f(x_BTC)
        return normalised_BTC

    def features(self, ids_BT: Tensor, segments_BT: Tensor | None = None) -> Tensor:
        """What the output layer reads of whole rows, BTC. Attention stays within each token's document, where given."""
        dropout = self.config.dropout if self.training else 0.0
        mask = None if segments_BT is None else DocumentMask.of(segments_BT, dropout)
        return self.hidden(ids_BT, mask)

    def forward(self, ids_BT: Tensor, segments_BT: Tensor | None = None) -> Tensor:
        """Logits, BTV."""
        return F.linear(self.features(ids_BT, segments_BT), self.wte.weight)

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())


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
