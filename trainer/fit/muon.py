"""Muon for networks with joint projections, on processors with and without bf16: a subclass of torch's own.

Source: Keller Jordan's post on Muon (https://kellerjordan.github.io/posts/muon/), for the iteration and for taking
queries, keys and values apart; Moonlight, arXiv 2502.16982, for the size of the update, with which AdamW's learning
rates carry over. State and settings are torch.optim.Muon's, and with parts of 1 and bf16 so is every step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

MATCHED_RMS = 0.2
"""The usual size of AdamW's updates. Source: Moonlight, section 2.2."""


def split_muon_class() -> type[torch.optim.Muon]:
    """Made when it is asked for: older versions of torch have no Muon."""

    class SplitMuon(torch.optim.Muon):
        """Each group says by `num_parts` how many matrices share one parameter; each is made orthogonal by itself."""

        @torch.no_grad()
        def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
            assert closure is None, "the loop computes gradients first"
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        _update(parameter, parameter.grad, self.state[parameter], group)

    return SplitMuon


def _update(parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    """Any: torch's own types of a state and a group."""
    if "momentum_buffer" not in state:
        state["momentum_buffer"] = torch.zeros_like(gradient)
    momentum = state["momentum_buffer"]
    momentum.lerp_(gradient, 1 - group["momentum"])
    ahead = gradient.lerp(momentum, group["momentum"])  # Nesterov's
    parameter.mul_(1 - group["lr"] * group["weight_decay"])
    axis = 0 if parameter.shape[0] >= parameter.shape[1] else 1  # outputs of a Linear, columns of GPT-2's Conv1D
    parts = zip(parameter.chunk(group["num_parts"], axis), ahead.chunk(group["num_parts"], axis), strict=True)
    for weights, direction in parts:
        rate = group["lr"] * MATCHED_RMS * math.sqrt(max(direction.shape))
        weights.add_(orthogonal(direction, group["ns_coefficients"], group["ns_steps"]), alpha=-rate)


def orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], num_steps: int) -> Tensor:
    """About the nearest matrix with singular values of 1, by the quintic Newton-Schulz iteration.

    In bf16, or in fp32 on processors that do not multiply bf16: there it took 17 s for one matrix of 2048 x 512.
    """
    first, second, third = coefficients
    x = matrix.to(_product_dtype(matrix.device))
    is_tall = x.shape[0] > x.shape[1]
    x = x.T if is_tall else x
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(num_steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=second, alpha=third), x, beta=first)
    return x.T if is_tall else x


def _product_dtype(device: torch.device) -> torch.dtype:
    is_slow = device.type == "cpu" and not torch.cpu._is_avx512_bf16_supported()
    return torch.float32 if is_slow else torch.bfloat16
