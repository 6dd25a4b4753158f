"""The native kernel's arithmetic written out in torch, a whole sequence at once; sums of whole numbers are exact.

Shape suffixes: T tokens, C width, H heads, D head width, V vocabulary, O outputs, I inputs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lsp_server.model.gpt2 import GPT2, LAYER_NORM_EPSILON, Block

LEVELS = 127


def twin_logits(network: GPT2, ids: list[int]) -> Tensor:
    """Logits of every token, TV."""
    with torch.no_grad():
        x_TC = network.wte.weight[ids] + network.wpe.weight[: len(ids)]
        for block in network.h:
            assert isinstance(block, Block)
            x_TC = x_TC + _attention(block, _norm(block.ln_1, x_TC))
            hidden_TI = F.gelu(_linear(_norm(block.ln_2, x_TC), block.mlp.c_fc), approximate="tanh")
            x_TC = x_TC + _linear(hidden_TI, block.mlp.c_proj)
        return _product(_norm(network.ln_f, x_TC), network.wte.weight)


def _attention(block: Block, x_TC: Tensor) -> Tensor:
    num_tokens, width = x_TC.shape
    parts = _linear(x_TC, block.attn.c_attn).split(width, dim=1)
    queries_HTD, keys_HTD, values_HTD = (
        part.view(num_tokens, block.attn.num_heads, -1).transpose(0, 1).double() for part in parts
    )
    keys_HTD, values_HTD = (held.bfloat16().double() for held in (keys_HTD.float(), values_HTD.float()))
    mixed_HTD = F.scaled_dot_product_attention(queries_HTD, keys_HTD, values_HTD, is_causal=True)
    return _linear(mixed_HTD.transpose(0, 1).reshape(num_tokens, width).float(), block.attn.c_proj)


def _norm(norm: nn.LayerNorm, x_TC: Tensor) -> Tensor:
    return F.layer_norm(
        x_TC.double(), norm.normalized_shape, norm.weight.double(), norm.bias.double(), LAYER_NORM_EPSILON
    ).float()


def _linear(x_TI: Tensor, linear: nn.Linear) -> Tensor:
    return _product(x_TI, linear.weight) + linear.bias


def _product(x_TI: Tensor, weight_OI: Tensor) -> Tensor:
    most_T1, most_O1 = (rows.abs().amax(dim=1, keepdim=True) for rows in (x_TI, weight_OI))
    # an input's product is rounded once, a weight's twice: where one falls between two numbers, the next layers notice
    whole_TI = (x_TI.double() * (LEVELS / most_T1).double()).round()
    whole_OI = (weight_OI * (LEVELS / most_O1)).round().double()
    scale_TO = (most_T1 / LEVELS).double() * (most_O1 / LEVELS).double().T
    return (whole_TI @ whole_OI.T * scale_TO).float()
