"""How fast a network could learn here: arithmetic a token, and the fastest matrix product this machine was seen to do.

MFU, model FLOP utilisation, is what the first would need of the second. Source: PaLM, arXiv 2204.02311, appendix B.
"""

from __future__ import annotations

import copy
import time

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

PEAK_SECONDS = 0.4
"""Time the measurement of the peak may take."""


def flops_per_token(network: nn.Module, row_tokens: int) -> float:
    """Multiplications and additions of all matrix products, forward and backward, for one token of a row.

    Counted on a copy without memory behind it, so that any network will do. Attention counts in full, as PaLM does.
    One that looks at values on its way, as transformers' do, cannot be run so: it is taken for 6 a parameter.
    """
    copied = copy.deepcopy(network).to("meta").train()
    ids_BT = torch.zeros(1, row_tokens, dtype=torch.long, device="meta")
    try:
        with FlopCounterMode(display=False) as counter:
            copied(ids_BT).sum().backward()
    except RuntimeError:
        return 6.0 * sum(parameter.numel() for parameter in network.parameters())
    return float(counter.get_total_flops()) / row_tokens


def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of the fastest of several square products, each measured alone after a first one that is not counted."""
    size = 8192 if device.type == "cuda" else 1024
    left = torch.full((size, size), 0.5, device=device, dtype=dtype)
    right = torch.full((size, size), 0.5, device=device, dtype=dtype)
    fastest, started = 0.0, time.monotonic()
    while time.monotonic() - started < PEAK_SECONDS:
        fastest = max(fastest, 2 * size**3 / _seconds_of_product(left, right))
    return fastest


def _seconds_of_product(left: torch.Tensor, right: torch.Tensor) -> float:
    _wait(left.device)
    started = time.perf_counter()
    left @ right
    _wait(left.device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def dtype_of(mixed_precision: str) -> torch.dtype:
    """What accelerate's precision multiplies in."""
    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(mixed_precision, torch.float32)
