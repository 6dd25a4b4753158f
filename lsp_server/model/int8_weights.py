"""Weights in int8: half of fp16 on disk. Each output of a matrix has a scale of its own; norms, biases and positions
keep their format.

The rule is the native kernel's: the largest weight of an output is 127. So whoever packs the dequantised weights by
that rule again gets the same integers. What the native back end loses by such a bundle is the embeddings' precision
where they are looked up; its products were in int8 before. Names are our own (`h.0.attn.c_attn.weight`), matrices are
outputs by inputs. Knows no files.

Shape suffixes: O outputs, I inputs.
"""

from __future__ import annotations

import torch
from torch import Tensor

SCALE = ".scale"
POSITIONS = "wpe.weight"
LARGEST = 127


def to_int8(state: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """A state dict with every matrix as int8 and its scales, and the rest in `dtype`."""
    packed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if tensor.ndim == 2 and name != POSITIONS:
            packed[name], packed[name + SCALE] = quantise(tensor.float())
        else:
            packed[name] = tensor.to(dtype)
    return packed


def from_int8(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict in fp32. Raises: RuntimeError when a matrix has no scales."""
    state: dict[str, Tensor] = {}
    for name, tensor in packed.items():
        if name.endswith(SCALE):
            continue
        if tensor.dtype == torch.int8:
            scales_O = packed.get(name + SCALE)
            if scales_O is None or len(scales_O) != len(tensor):
                raise RuntimeError(f"{name} has no fitting {name}{SCALE}")
            tensor = tensor.float() * scales_O[:, None]
        state[name] = tensor
    return state


def quantise(weight_OI: Tensor) -> tuple[Tensor, Tensor]:
    """int8 weights, and the fp32 scale of each output."""
    most_O = weight_OI.abs().amax(dim=1).clamp_min(1e-20)
    return (weight_OI * (LARGEST / most_O)[:, None]).round().to(torch.int8), most_O / LARGEST
