"""A bundle as a CTranslate2 model folder: `python -m benchmarks.engine.ctranslate2_model BUNDLE FOLDER`.

Runs in the peers' environment, and fills CTranslate2's own description of a decoder: its converter for transformers
would need torch there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ctranslate2.specs import common_spec, transformer_spec

from trainer.conversion.arrays import Checkpoint, read_checkpoint

KIND = "int8"


def write_model(checkpoint: Checkpoint, folder: Path) -> None:
    config = checkpoint.config
    spec = transformer_spec.TransformerDecoderModelSpec.from_config(
        config["n_layer"], config["n_head"], pre_norm=True, activation=common_spec.Activation.GELUTanh
    )
    _fill(spec.decoder, checkpoint)
    spec.register_vocabulary(list(checkpoint.tokens))
    end_of_text = checkpoint.tokens[config["eos_token_id"]]
    spec.config.bos_token = spec.config.eos_token = spec.config.unk_token = end_of_text
    spec.config.layer_norm_epsilon = config["layer_norm_epsilon"]
    spec.validate()
    spec.optimize(quantization=KIND)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    (folder / "vocabulary.json").write_text(json.dumps(list(checkpoint.tokens)), encoding="utf-8")


def _fill(decoder: Any, checkpoint: Checkpoint) -> None:  # Any: ctranslate2 is untyped
    tensors = checkpoint.tensors
    decoder.scale_embeddings = False
    decoder.embeddings.weight = tensors["wte.weight"]
    decoder.position_encodings.encodings = tensors["wpe.weight"]
    decoder.projection.weight = tensors["wte.weight"]
    _fill_norm(decoder.layer_norm, checkpoint, "ln_f")
    for number, layer in enumerate(decoder.layer):
        _fill_norm(layer.self_attention.layer_norm, checkpoint, f"h.{number}.ln_1")
        _fill_linear(layer.self_attention.linear[0], checkpoint, f"h.{number}.attn.c_attn")
        _fill_linear(layer.self_attention.linear[1], checkpoint, f"h.{number}.attn.c_proj")
        _fill_norm(layer.ffn.layer_norm, checkpoint, f"h.{number}.ln_2")
        _fill_linear(layer.ffn.linear_0, checkpoint, f"h.{number}.mlp.c_fc")
        _fill_linear(layer.ffn.linear_1, checkpoint, f"h.{number}.mlp.c_proj")


def _fill_norm(spec: Any, checkpoint: Checkpoint, name: str) -> None:  # Any: ctranslate2 is untyped
    spec.gamma, spec.beta = checkpoint.tensors[f"{name}.weight"], checkpoint.tensors[f"{name}.bias"]


def _fill_linear(spec: Any, checkpoint: Checkpoint, name: str) -> None:  # Any: ctranslate2 is untyped
    spec.weight, spec.bias = checkpoint.tensors[f"{name}.weight"], checkpoint.tensors[f"{name}.bias"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    write_model(read_checkpoint(options.bundle), options.folder)


if __name__ == "__main__":
    main()
