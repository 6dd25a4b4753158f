"""A bundle's files as numpy arrays, for the converters to other engines.

Imports no torch, because the benchmarks run it in their peers' environment. A matrix here is (outputs, inputs), as both
GGUF and CTranslate2 want it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

Array = NDArray[Any]  # Any: fp32 here, and whatever a converter makes of it
TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
"""transformers keeps GPT-2's matrices as (inputs, outputs)."""
PREFIX = "transformer."
INT8_WEIGHTS = "model.int8.safetensors"
SCALE = ".scale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a bundle holds."""

    config: Mapping[str, Any]
    tokens: tuple[str, ...]
    """The vocabulary by id, in byte-level spelling."""
    merges: tuple[str, ...]
    special: frozenset[int]
    tensors: Mapping[str, Array]
    """fp32, by the name in transformers without its prefix."""


def read_checkpoint(bundle: Path) -> Checkpoint:
    tokenizer = json.loads((bundle / "tokenizer.json").read_text(encoding="utf-8"))
    return Checkpoint(
        config=json.loads((bundle / "config.json").read_text(encoding="utf-8")),
        tokens=tokens_by_id(tokenizer),
        merges=tuple(pair if isinstance(pair, str) else " ".join(pair) for pair in tokenizer["model"]["merges"]),
        special=frozenset(entry["id"] for entry in tokenizer["added_tokens"]),
        tensors=_tensors(bundle),
    )


def _tensors(bundle: Path) -> dict[str, Array]:
    if (bundle / INT8_WEIGHTS).is_file():
        return dequantised(load_file(bundle / INT8_WEIGHTS))
    return dict(oriented(name, array) for name, array in load_file(bundle / "model.safetensors").items())


def dequantised(stored: Mapping[str, Array]) -> dict[str, Array]:
    """`lsp_server.model.int8_weights` as fp32; its matrices are (outputs, inputs) already."""
    return {
        name: array.astype(np.float32) * (stored[name + SCALE][:, None] if array.dtype == np.int8 else 1)
        for name, array in stored.items()
        if not name.endswith(SCALE)
    }


def tokens_by_id(tokenizer: Mapping[str, Any]) -> tuple[str, ...]:  # Any: what tokenizer.json holds
    numbers = {**tokenizer["model"]["vocab"], **{entry["content"]: entry["id"] for entry in tokenizer["added_tokens"]}}
    return tuple(sorted(numbers, key=numbers.__getitem__))


def oriented(name: str, array: Array) -> tuple[str, Array]:
    """A tensor's name without transformers' prefix, and its values in fp32, matrices as (outputs, inputs)."""
    values = array.T if name.endswith(TRANSPOSED) else array
    return name.removeprefix(PREFIX), np.ascontiguousarray(values, dtype=np.float32)
