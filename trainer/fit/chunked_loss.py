"""The output layer and the loss in one, chunk by chunk, so that the logits of a whole batch never stand in memory.

Each chunk's gradient is made while its logits are at hand; the backward pass only scales it. Its slow twin is
`F.cross_entropy(F.linear(hidden, weight), labels)`, whose logits, in fp32 and again as gradients, are most of what a
small network on a CPU reads and writes. Knows no batch and no network.

Shape suffixes: N tokens, C width, V vocabulary, R tokens of a chunk.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

IGNORED_LABEL = -100
"""torch's own default for cross entropy."""
CHUNK_TOKENS = 512
"""The 10-million network with 8,192 entries, 8 x 512 tokens in bf16, one thread of a busy AVX-512 EPYC: a step takes
2.49 s of processor time, and 2.69 with all logits (`python -m benchmarks.trainer.chunked_loss`)."""


def linear_cross_entropy(hidden_NC: Tensor, weight_VC: Tensor, labels_N: Tensor) -> Tensor:
    """Nats of all labelled tokens together, with logits of `hidden @ weight.T`.

    Under autocast the products are in its number format, the rest in fp32, as those of its twin are.
    """
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else hidden_NC.dtype
    with_gradient = torch.is_grad_enabled()
    nats: Tensor = _LinearCrossEntropy.apply(hidden_NC, weight_VC, labels_N, dtype, with_gradient)  # type: ignore[no-untyped-call]
    return nats


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # Any: torch's own context
        hidden_NC: Tensor,
        weight_VC: Tensor,
        labels_N: Tensor,
        dtype: torch.dtype,
        with_gradient: bool,
    ) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            plain_NC, plain_VC = hidden_NC.to(dtype), weight_VC.to(dtype)
            hidden_grad_NC = torch.empty_like(plain_NC) if with_gradient else None
            learns = with_gradient and ctx.needs_input_grad[1]  # a table that stays as it was needs no gradient
            weight_grad_VC = torch.zeros_like(weight_VC, dtype=torch.float32) if learns else None
            nats = torch.zeros((), dtype=torch.float32)
            for start in range(0, len(plain_NC), CHUNK_TOKENS):
                chunk = slice(start, start + CHUNK_TOKENS)
                part, logit_grad_RV = _chunk(plain_NC[chunk], plain_VC, labels_N[chunk])
                nats += part
                if hidden_grad_NC is not None:
                    hidden_grad_NC[chunk] = logit_grad_RV @ plain_VC
                if weight_grad_VC is not None:
                    weight_grad_VC += logit_grad_RV.T @ plain_NC[chunk]
        ctx.save_for_backward(hidden_grad_NC, weight_grad_VC)
        ctx.dtypes = hidden_NC.dtype, weight_VC.dtype
        return nats

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor, Tensor | None, None, None, None]:
        hidden_grad_NC, weight_grad_VC = ctx.saved_tensors
        of_hidden, of_weight = ctx.dtypes
        of_table = None if weight_grad_VC is None else (weight_grad_VC * scale).to(of_weight)
        return hidden_grad_NC.to(of_hidden) * scale, of_table, None, None, None


def _chunk(hidden_RC: Tensor, weight_VC: Tensor, labels_R: Tensor) -> tuple[Tensor, Tensor]:
    """The chunk's nats, and their gradient by its logits: probabilities, less one at the label; RV."""
    values_RV = (hidden_RC @ weight_VC.T).float()
    is_labelled_R = labels_R != IGNORED_LABEL
    column_R1 = labels_R.clamp(min=0)[:, None]
    normaliser_R = values_RV.logsumexp(dim=1)
    nats = ((normaliser_R - values_RV.gather(1, column_R1)[:, 0]) * is_labelled_R).sum()
    values_RV.sub_(normaliser_R[:, None]).exp_()
    values_RV.scatter_add_(1, column_R1, values_RV.new_full((1, 1), -1.0).expand(len(labels_R), 1))
    return nats, values_RV.mul_(is_labelled_R[:, None]).to(hidden_RC.dtype)
