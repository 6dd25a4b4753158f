"""Linear layers with int8 weights on torch's own kernels, for CPUs where the native kernel does not run.

Weights have a scale for each output, inputs one for each pass. Without VNNI instructions torch adds two products in 16
bits, and cuts off what does not fit: weights of seven bits keep them inside. Bits per byte of the embedded model on
97 kB of held-out text, in percent above fp32, on AVX2: 0.11 with seven bits, 1.50 with eight, 0.61 with seven for the
inputs instead.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from lsp_server.model.gpt2 import GPT2


def is_available() -> bool:
    """Whether this build of torch multiplies int8."""
    return str(torch.backends.quantized.engine) != "none"


def weight_levels() -> int:
    """The largest whole number that a weight may become here."""
    return 127 if torch.cpu._is_vnni_supported() else 63


class Int8Linear(nn.Module):
    """torch's dynamically quantised product; deprecated in torch 2.13, so it is used here and nowhere else."""

    def __init__(self, weight_OI: Tensor, bias_O: Tensor | None) -> None:
        """Takes a copy of an fp32 weight, outputs by inputs."""
        super().__init__()
        scales_O = weight_OI.abs().amax(dim=1).clamp_min(1e-20) / weight_levels()
        # whole zero points: with float ones the product is silently left out (torch 2.13)
        zeros_O = torch.zeros(len(scales_O), dtype=torch.int64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantised = torch.quantize_per_channel(weight_OI.detach(), scales_O.double(), zeros_O, 0, torch.qint8)
            self._packed = torch.ops.quantized.linear_prepack(quantised, bias_O)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = torch.ops.quantized.linear_dynamic(x, self._packed)
        return output


def quantise(network: GPT2) -> Int8Linear:
    """Replace the network's linear layers in place; returns the product that gives the logits."""
    for block in network.h:
        for part, name in ((block.attn, "c_attn"), (block.attn, "c_proj"), (block.mlp, "c_fc"), (block.mlp, "c_proj")):
            linear = getattr(part, name)
            setattr(part, name, Int8Linear(linear.weight, linear.bias))
    return Int8Linear(network.wte.weight, None)
