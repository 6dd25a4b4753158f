"""A bundle as a GGUF file for llama.cpp: `python -m trainer.conversion.gguf_file BUNDLE FILE --kind q8_0`.

The choice of formats is llama-quantize's own for Q8_0: every matrix in blocks, but positions, norms and biases in fp32.
Source: llama.cpp, src/llama-quant.cpp. Imports no torch: the benchmarks run it in their peers' environment.

llama.cpp splits text by rules that are built into it, and ours (`lsp_server.model.tokenizer.PRE_TOKEN_PATTERN`) are not
among them: GPT-2's come nearest. Given token ids it is exact; given text, it may split it otherwise than in training.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gguf
import numpy as np
from gguf import quants

from trainer.conversion.arrays import Checkpoint, read_checkpoint
from trainer.conversion.gguf_names import tensor_name

KINDS = {
    "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
}
FILL_IN_KEYS = {
    "<|fim_prefix|>": "tokenizer.ggml.fim_pre_token_id",
    "<|fim_suffix|>": "tokenizer.ggml.fim_suf_token_id",
    "<|fim_middle|>": "tokenizer.ggml.fim_mid_token_id",
    "<|file_sep|>": "tokenizer.ggml.fim_sep_token_id",
}
"""With these llama-server's /infill works: prefix, suffix, middle, which is one of the two orders of the training."""


def write_gguf(checkpoint: Checkpoint, path: Path, kind: str, name: str = "parrotlet") -> None:
    format_, file_type = KINDS[kind]
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_name(name)
    _add_shape(writer, checkpoint)
    writer.add_file_type(file_type)
    _add_vocabulary(writer, checkpoint)
    for tensor, array in checkpoint.tensors.items():
        target = tensor_name(tensor)
        if array.ndim == 2 and target != "position_embd.weight":
            writer.add_tensor(target, quants.quantize(array, format_), raw_dtype=format_)
        else:
            writer.add_tensor(target, array.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: gguf.GGUFWriter, checkpoint: Checkpoint) -> None:
    config = checkpoint.config
    writer.add_block_count(config["n_layer"])
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_feed_forward_length(4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])


def _add_vocabulary(writer: gguf.GGUFWriter, checkpoint: Checkpoint) -> None:
    control, normal, unused = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL, gguf.TokenType.UNUSED
    rows = checkpoint.config["vocab_size"]
    tokens = [*checkpoint.tokens, *(f"<|unused_{number}|>" for number in range(len(checkpoint.tokens), rows))]
    types = [control if number in checkpoint.special else normal for number in range(len(checkpoint.tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([*types, *[unused] * (rows - len(types))])
    writer.add_token_merges(list(checkpoint.merges))
    writer.add_bos_token_id(checkpoint.config["bos_token_id"])
    writer.add_eos_token_id(checkpoint.config["eos_token_id"])
    writer.add_add_bos_token(False)
    for token, key in FILL_IN_KEYS.items():
        if token in checkpoint.tokens:
            writer.add_uint32(key, checkpoint.tokens.index(token))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--kind", choices=sorted(KINDS), default="q8_0")
    options = parser.parse_args()
    write_gguf(read_checkpoint(options.bundle), options.file, options.kind)


if __name__ == "__main__":
    main()
