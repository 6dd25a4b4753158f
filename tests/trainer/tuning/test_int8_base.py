"""Tuning from a bundle whose weights are in int8, which transformers itself cannot read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from lsp_server.errors import BundleError
from lsp_server.model.bundle import Bundle, open_bundle
from lsp_server.model.weights import load_gpt2
from trainer.cli import main
from trainer.config import ModelConfig
from trainer.conversion.forms import to_int8
from trainer.tuning.interpolation import interpolate_folders
from trainer.tuning.pretrained import known_shape, load_network, own_dtype

from .conftest import TEXTS

SMALL = [
    "model.context_tokens=64",
    "prompt.suffix_tokens=8",
    "prompt.new_tokens=8",
    "fit.batch_rows=2",
    "fit.row_tokens=48",
    "fit.max_steps=3",
    "fit.precision=fp32",
    "fit.samples=0",
    "fit.eval_rows=4",
    "fit.threads=1",
    "evaluate.tasks=1",
    "evaluate.max_bytes=500",
    "corpus.heldout_share=0.2",
    "corpus.near_duplicates=0",  # they are
]


@pytest.fixture
def int8(tiny_bundle: Bundle, tmp_path: Path) -> Bundle:
    return to_int8(tiny_bundle.path, tmp_path / "int8")


def model_of(folder: Path, dropout: float = 0.0) -> ModelConfig:
    return ModelConfig(pretrained=str(folder), context_tokens=64, dropout=dropout)


def test_the_network_is_the_dequantised_one_as_transformers_would_give_it(int8: Bundle) -> None:
    model = load_network(model_of(int8.path, dropout=0.25), 0)
    ids = torch.arange(1, 40)[None]
    torch.testing.assert_close(model(ids).logits, load_gpt2(int8)(ids), atol=1e-4, rtol=1e-4)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert model.dtype == torch.float32
    assert model.config.resid_pdrop == 0.25
    assert own_dtype(model_of(int8.path)) == torch.float16, "what is made of it is written as bundles are"
    assert known_shape(model_of(int8.path)) == {"num_layers": 2, "width": 32, "vocab_size": int8.config["vocab_size"]}


def test_rows_for_more_tokens_are_added_as_to_any_other(int8: Bundle) -> None:
    rows = int8.config["vocab_size"]
    grown = load_network(model_of(int8.path), rows + 1).get_input_embeddings().weight
    assert len(grown) > rows
    assert torch.equal(grown[:rows], load_gpt2(int8).wte.weight)


def test_a_damaged_one_is_refused_by_name(int8: Bundle) -> None:
    content = int8.weights_path.read_bytes()
    int8.weights_path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BundleError, match=r"model\.int8\.safetensors does not match its hash"):
        load_network(model_of(int8.path), 0)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_three_steps_make_a_bundle_in_full_precision(
    int8: Bundle, tmp_path: Path, write_files: Callable[..., Path], method: str
) -> None:
    project = write_files(tmp_path / "project", {f"{number}.py": text for number, text in enumerate(TEXTS)})
    recipe, run_dir = tmp_path / "tune.toml", tmp_path / "run"
    recipe.write_text(f'run = "tuned"\n[corpus]\nsources = ["{project}"]\n')
    changes = [*SMALL, f"model.pretrained={int8.path}", f"tuning.method={method}"]
    settings = [part for change in changes for part in ("--set", change)]

    assert main(["run", "--recipe", str(recipe), "--run", str(run_dir), *settings]) == 0

    tuned = open_bundle(run_dir / "bundle")
    assert not tuned.is_int8
    assert tuned.provenance["steps"] == 3
    moved = (load_gpt2(tuned).wte.weight - load_gpt2(int8).wte.weight).abs().max()
    assert moved > 0 or method == "lora", "adapters leave the embeddings alone"
    assert AutoModelForCausalLM.from_pretrained(tuned.path).dtype == torch.float16
    assert 0 < json.loads((run_dir / "evaluation" / "figures.json").read_text())["bits_per_byte"] < 20


def test_what_is_mixed_with_one_is_written_in_full_and_says_so(
    tiny_bundle: Bundle, int8: Bundle, tmp_path: Path
) -> None:
    for base, tuned, name in ((int8, tiny_bundle, "into"), (tiny_bundle, int8, "from")):
        interpolate_folders(base.path, tuned.path, 0.5, tmp_path / name)
        mixed = open_bundle(tmp_path / name)
        assert not mixed.is_int8
        assert mixed.provenance == {"run": "tiny", "interpolation": 0.5}
        assert "in int8, with a scale" not in (mixed.path / "README.md").read_text()
        halfway = (load_gpt2(tiny_bundle).wte.weight + load_gpt2(int8).wte.weight) / 2
        torch.testing.assert_close(load_gpt2(mixed).wte.weight, halfway, atol=1e-3, rtol=1e-3)
