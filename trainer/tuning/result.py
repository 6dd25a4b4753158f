"""What becomes of a tuned model: our bundle where our network can run it, else a folder that transformers loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from lsp_server.model.gpt2 import GPT2, LAYER_NORM_EPSILON, GPT2Config, from_hf
from lsp_server.model.tokenizer import END_OF_TEXT, CodeTokenizer

_OURS = {
    "model_type": "gpt2",
    "activation_function": "gelu_new",
    "layer_norm_epsilon": LAYER_NORM_EPSILON,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}
"""What a GPT-2 must have for our network to give the same logits."""


def as_gpt2(model: Any, dropout: float = 0.0) -> GPT2 | None:  # Any: transformers' model
    """The same network as ours, or None where it is of another family or a variant that ours does not compute."""
    config = model.config
    if any(getattr(config, key, None) != value for key, value in _OURS.items()):
        return None
    if config.n_inner not in (None, 4 * config.n_embd):
        return None
    shape = GPT2Config(
        vocab_size=model.get_input_embeddings().num_embeddings,
        context_tokens=config.n_positions,
        width=config.n_embd,
        num_layers=config.n_layer,
        num_heads=config.n_head,
        dropout=dropout,
    )
    with torch.device("meta"):
        network = GPT2(shape)
    network.load_state_dict(from_hf(dict(model.state_dict())), assign=True)
    return network


def save_folder(model: Any, tokenizer: CodeTokenizer, tokenizer_json: Path, folder: Path) -> None:
    """Write config.json, safetensors and a tokenizer that ends documents as training did."""
    from transformers import PreTrainedTokenizerFast

    for settings in (model.config, model.generation_config):
        settings.bos_token_id = settings.eos_token_id = tokenizer.end_of_text
    model.save_pretrained(folder)
    fast = PreTrainedTokenizerFast(
        tokenizer_file=str(tokenizer_json),
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        clean_up_tokenization_spaces=False,
        model_max_length=getattr(model.config, "max_position_embeddings", None),
    )
    fast.save_pretrained(folder)
