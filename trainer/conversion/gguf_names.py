"""What GGUF calls the tensors of a GPT-2. Imports nothing."""

from __future__ import annotations

TOP = {
    "wte.weight": "token_embd.weight",
    "wpe.weight": "position_embd.weight",
    "ln_f.weight": "output_norm.weight",
    "ln_f.bias": "output_norm.bias",
}
MODULES = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
"""A block's modules, each with a weight and a bias. Source: llama.cpp, gguf-py/gguf/constants.py."""


def tensor_name(name: str) -> str:
    """`h.3.attn.c_proj.bias` is `blk.3.attn_output.bias`. Raises: KeyError when a GPT-2 has no such tensor."""
    if name in TOP:
        return TOP[name]
    block, _, inside = name.removeprefix("h.").partition(".")
    module, _, part = inside.rpartition(".")
    if not name.startswith("h.") or part not in ("weight", "bias"):
        raise KeyError(name)
    return f"blk.{block}.{MODULES[module]}.{part}"
