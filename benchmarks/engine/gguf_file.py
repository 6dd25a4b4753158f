"""A bundle as a GGUF file for llama.cpp: `python -m benchmarks.engine.gguf_file BUNDLE FILE --kind q8_0`.

Runs in the peers' environment. The choice of formats is llama-quantize's own for Q8_0: every matrix in blocks, but
positions, norms and biases in fp32. Source: llama.cpp, src/llama-quant.cpp.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gguf
import numpy as np
from gguf import quants

from benchmarks.engine.checkpoint import Checkpoint, read_checkpoint
from benchmarks.engine.gguf_names import tensor_name

KINDS = {
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
}


def write_gguf(checkpoint: Checkpoint, path: Path, kind: str) -> None:
    format_, file_type = KINDS[kind]
    writer = gguf.GGUFWriter(path, "gpt2")
    _add_shape(writer, checkpoint)
    writer.add_file_type(file_type)
    _add_vocabulary(writer, checkpoint)
    for name, array in checkpoint.tensors.items():
        target = tensor_name(name)
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
    writer.add_name("parrotlet-benchmark")
    writer.add_block_count(config["n_layer"])
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_feed_forward_length(4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])


def _add_vocabulary(writer: gguf.GGUFWriter, checkpoint: Checkpoint) -> None:
    """Only the server's own bookkeeping needs it: it is asked with token ids."""
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(list(checkpoint.tokens))
    types = [control if number in checkpoint.special else normal for number in range(len(checkpoint.tokens))]
    writer.add_token_types(types)
    writer.add_token_merges(list(checkpoint.merges))
    writer.add_bos_token_id(checkpoint.config["bos_token_id"])
    writer.add_eos_token_id(checkpoint.config["eos_token_id"])
    writer.add_add_bos_token(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--kind", choices=sorted(KINDS), default="q8_0")
    options = parser.parse_args()
    write_gguf(read_checkpoint(options.bundle), options.file, options.kind)


if __name__ == "__main__":
    main()
