"""The network's weights between memory and a bundle: transformers' GPT2LMHeadModel, or int8. Safetensors only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.overrides import TorchFunctionMode

from lsp_server.errors import BundleError
from lsp_server.model import bundle as files
from lsp_server.model.bundle import REMEDY, Bundle, seal_bundle
from lsp_server.model.gpt2 import GPT2, LAYER_NORM_EPSILON, GPT2Config, from_hf, to_hf
from lsp_server.model.int8_weights import from_int8, to_int8
from lsp_server.model.ngrams import NgramTable
from lsp_server.model.prompt import PromptLayout, Sentinels
from lsp_server.model.tokenizer import END_OF_TEXT, CodeTokenizer

_FIXED = {
    "activation_function": "gelu_new",
    "layer_norm_epsilon": LAYER_NORM_EPSILON,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "tie_word_embeddings": True,
}
"""What transformers lets a GPT-2 vary and our network does not; other values would silently give wrong logits."""


def load_gpt2(bundle: Bundle, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> GPT2:
    """The bundle's network, ready to decode (no gradients, no dropout).

    Raises: BundleError when the weights are unreadable or do not fit config.json.
    """
    with torch.device("meta"), _WithoutInitialisation():
        network = GPT2(_network_config(bundle))
    try:
        stored = load_file(bundle.weights_path)
        state = from_int8(stored) if bundle.is_int8 else from_hf(stored)
        network.load_state_dict({name: tensor.to(dtype) for name, tensor in state.items()}, assign=True)
    except (SafetensorError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise BundleError(f"{bundle.weights_path} does not fit {files.CONFIG} ({reason}): {REMEDY}") from error
    return network.to(device).requires_grad_(requires_grad=False).eval()


class _WithoutInitialisation(TorchFunctionMode):
    """Leaves new parameters as they are, since the bundle's replace them.

    Besides the time: `normal_` of a tensor without memory imports 800 modules of torch's compiler, 1.3 s (torch 2.13).
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],  # Any: torch's own signature
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def _network_config(bundle: Bundle) -> GPT2Config:
    config = bundle.config
    if config.get("model_type") != "gpt2":
        found = config.get("model_type")
        raise BundleError(f"{bundle.path / files.CONFIG} has model_type {found!r}, not 'gpt2': {REMEDY}")
    for key, ours in _FIXED.items():
        if config.get(key, ours) != ours:
            raise BundleError(f"{bundle.path / files.CONFIG} has {key} {config[key]!r}, only {ours!r} runs: {REMEDY}")
    try:
        return GPT2Config(
            vocab_size=config["vocab_size"],
            context_tokens=config["n_positions"],
            width=config["n_embd"],
            num_layers=config["n_layer"],
            num_heads=config["n_head"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{bundle.path / files.CONFIG} describes no GPT-2 ({error!r}): {REMEDY}") from error


def save_gpt2(
    network: GPT2, folder: Path, *, end_of_text: int, dtype: torch.dtype = torch.float32, int8: bool = False
) -> None:
    """Write config.json, generation_config.json and the weights; with `int8`, `dtype` is for what no matrix is."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().to("cpu").contiguous() for name, tensor in network.state_dict().items()}
    path = folder / (files.INT8_WEIGHTS if int8 else files.WEIGHTS)
    if int8:
        save_file(to_int8(state, dtype), path)
    else:
        save_file(to_hf({name: tensor.to(dtype) for name, tensor in state.items()}), path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors writes for the owner alone; a package is read by others
    _write_json(folder / files.CONFIG, _hf_config(network.config, end_of_text, dtype))
    generation = {"_from_model_config": True, "bos_token_id": end_of_text, "eos_token_id": end_of_text}
    _write_json(folder / files.GENERATION_CONFIG, generation)


def write_bundle(
    folder: Path,
    *,
    network: GPT2,
    tokenizer: CodeTokenizer,
    layout: PromptLayout,
    card: str = "A model without a card.\n",
    provenance: Mapping[str, Any] | None = None,
    dtype: torch.dtype = torch.float32,
    drafts: NgramTable | None = None,
    int8: bool = False,
) -> Bundle:
    """Write a whole bundle and open it, verified."""
    save_gpt2(network, folder, end_of_text=tokenizer.end_of_text, dtype=dtype, int8=int8)
    tokenizer.save(folder / files.TOKENIZER)
    _write_json(folder / files.TOKENIZER_CONFIG, _hf_tokenizer_config(network.config))
    (folder / files.MODEL_CARD).write_text(card, encoding="utf-8")
    if drafts is not None:
        drafts.save(folder / files.DRAFTS)
    return seal_bundle(folder, layout=layout, sentinels=Sentinels.of(tokenizer), provenance=provenance)


def _hf_config(config: GPT2Config, end_of_text: int, dtype: torch.dtype) -> dict[str, Any]:
    dtype_name = str(dtype).removeprefix("torch.")
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        **_FIXED,
        "vocab_size": config.vocab_size,
        "n_positions": config.context_tokens,
        "n_embd": config.width,
        "n_layer": config.num_layers,
        "n_head": config.num_heads,
        "n_inner": None,
        "attn_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "use_cache": True,
        "dtype": dtype_name,
    }


def _hf_tokenizer_config(config: GPT2Config) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config.context_tokens,
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "unk_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,  # it alters code
    }


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
