from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf import quants

from lsp_server.errors import BundleError, ExportError
from lsp_server.model.bundle import Bundle, open_bundle
from lsp_server.model.gpt2 import from_hf
from lsp_server.model.tokenizer import SENTINELS
from lsp_server.model.weights import load_gpt2
from trainer.conversion import forms
from trainer.conversion.arrays import read_checkpoint
from trainer.conversion.forms import to_gguf, to_int8, to_transformers
from trainer.conversion.gguf_names import tensor_name
from trainer.evaluate.int8_loss import with_int8_weights

TEXT = "def add(left, right):\n    return "
Greedy = Callable[[Bundle, list[int]], list[int]]


@pytest.fixture
def int8(tiny_bundle: Bundle, tmp_path: Path) -> Bundle:
    return to_int8(tiny_bundle.path, tmp_path / "int8", loss=0.0012)


def test_an_int8_bundle_keeps_what_the_first_had_and_says_what_it_is(tiny_bundle: Bundle, int8: Bundle) -> None:
    assert int8.is_int8
    assert int8.layout == tiny_bundle.layout
    assert int8.provenance == {
        "run": "tiny",
        "int8": {"made_from": tiny_bundle.fingerprint, "bits_per_byte_loss": 0.0012},
    }
    card = (int8.path / "README.md").read_text()
    assert "costs +0.12% bits per byte" in card
    assert "library_name" not in card, "transformers cannot load it"
    assert "--to hf" in card


def test_the_card_of_a_transformers_folder_is_the_first_ones_again(
    tiny_bundle: Bundle, int8: Bundle, tmp_path: Path
) -> None:
    card = (to_transformers(int8.path, tmp_path / "hf") / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\nlibrary_name: transformers\n---\n")
    assert "transformers cannot read them" not in card
    assert "dequantised from int8" in card
    plain = to_transformers(tiny_bundle.path, tmp_path / "plain") / "README.md"
    assert plain.read_text() == (tiny_bundle.path / "README.md").read_text()


@pytest.mark.parametrize(("kind", "dtype", "atol"), [("f32", torch.float32, 0.0), (None, torch.float16, 1e-3)])
def test_int8_weights_are_dequantised_into_the_format_that_is_asked_for(
    int8: Bundle, tmp_path: Path, kind: str | None, dtype: torch.dtype, atol: float
) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(to_transformers(int8.path, tmp_path / "hf", kind))
    assert model.dtype == dtype
    own = load_gpt2(int8).state_dict()
    for name, tensor in from_hf(dict(model.state_dict())).items():
        torch.testing.assert_close(tensor.float(), own[name], atol=atol, rtol=0)


def test_the_loss_is_measured_on_the_weights_that_the_bundle_will_hold(tiny_bundle: Bundle, int8: Bundle) -> None:
    measured, loaded = with_int8_weights(load_gpt2(tiny_bundle)).state_dict(), load_gpt2(int8).state_dict()
    assert all(torch.equal(measured[name], tensor) for name, tensor in loaded.items())


def test_an_int8_bundle_is_not_made_twice(int8: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="in int8 already"):
        to_int8(int8.path, tmp_path / "again")


@pytest.mark.parametrize("form", ["float16", "int8"])
def test_transformers_loads_the_folder_and_says_the_same(
    tiny_bundle: Bundle, int8: Bundle, tmp_path: Path, greedy: Greedy, form: str
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    bundle = int8 if form == "int8" else tiny_bundle
    folder = to_transformers(bundle.path, tmp_path / "hf")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = bundle.load_tokenizer().encode(TEXT)
    assert tokenizer(TEXT).input_ids == ids
    assert set(tokenizer.all_special_tokens) == set(SENTINELS)
    written = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=20, eos_token_id=None)
    expected = greedy(bundle, ids)
    # int8 weights become fp16 ones there, which rounds them: the first tokens agree, a later tie may not
    assert (
        written[0, len(ids) :].tolist()[: 20 if form == "float16" else 3] == expected[: 20 if form == "float16" else 3]
    )
    assert not (folder / "parrotlet.json").exists()


@pytest.mark.parametrize("kind", forms.GGUF_KINDS)
def test_a_gguf_holds_every_weight_and_token(tiny_bundle: Bundle, tmp_path: Path, kind: str) -> None:
    reader = gguf.GGUFReader(to_gguf(tiny_bundle.path, tmp_path / "model.gguf", kind))
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    checkpoint = read_checkpoint(tiny_bundle.path)
    assert set(tensors) == {tensor_name(name) for name in checkpoint.tensors}
    for name, array in checkpoint.tensors.items():
        stored = tensors[tensor_name(name)]
        read = quants.dequantize(stored.data, stored.tensor_type)
        atol = {"f32": 0.0, "f16": 0.0, "q8_0": float(np.abs(array).max()) / 127}[kind]  # the bundle itself is fp16
        np.testing.assert_allclose(read.reshape(array.shape), array, atol=atol, rtol=0)
    assert reader.fields["tokenizer.ggml.tokens"].contents() == list(checkpoint.tokens)
    assert reader.fields["tokenizer.ggml.fim_mid_token_id"].contents() == tiny_bundle.sentinels.fim_middle
    assert reader.fields["general.name"].contents() == "tiny"


def test_a_gguf_of_an_int8_bundle_holds_its_weights(int8: Bundle, tmp_path: Path) -> None:
    reader = gguf.GGUFReader(to_gguf(int8.path, tmp_path / "model.gguf", "f32"))
    tensors = {tensor.name: tensor.data for tensor in reader.tensors}
    for name, tensor in load_gpt2(int8).state_dict().items():
        np.testing.assert_array_equal(tensors[tensor_name(name)].reshape(tensor.shape), tensor.numpy())


def test_without_its_package_the_extra_is_named(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "trainer.conversion.gguf_file", raising=False)
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ExportError, match="pip install"):
        to_gguf(tiny_bundle.path, tmp_path / "model.gguf", "f16")


def test_a_damaged_bundle_is_not_exported_and_leaves_nothing(tiny_bundle: Bundle, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in tiny_bundle.path.iterdir():
        (damaged / file.name).write_bytes(file.read_bytes())
    (damaged / "README.md").write_text("another model's card\n")
    for export in (to_int8, to_transformers, lambda source, out: to_gguf(source, out, "f16")):
        with pytest.raises(BundleError, match=r"README\.md does not match"):
            export(damaged, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]


def test_an_export_that_fails_leaves_the_one_before(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = to_int8(tiny_bundle.path, tmp_path / "int8")

    def fail(*_arguments: object, **_options: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(forms, "seal_bundle", fail)
    with pytest.raises(OSError, match="disk full"):
        to_int8(tiny_bundle.path, tmp_path / "int8")
    assert open_bundle(tmp_path / "int8").fingerprint == before.fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["int8"]


def test_what_is_no_model_is_not_replaced(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for place in (tmp_path, tmp_path / "notes.txt", tiny_bundle.path):
        with pytest.raises(ExportError, match="choose another"):
            to_int8(tiny_bundle.path, place)
    with pytest.raises(ExportError, match="is a folder"):
        to_gguf(tiny_bundle.path, tmp_path, "f16")
    assert json.loads((tiny_bundle.path / "config.json").read_text())["model_type"] == "gpt2"
