"""Whatever is wrong with a model folder is refused by name, on one line, with a remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lsp_server.errors import BundleError
from lsp_server.model.bundle import FILES, MANIFEST, Bundle, open_bundle, seal_bundle
from lsp_server.model.gpt2 import GPT2
from lsp_server.model.int8_weights import from_int8, to_int8
from lsp_server.model.prompt import PromptLayout
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.model.weights import load_gpt2, save_gpt2, write_bundle

REMEDY = ("export it again", "update Parrotlet", "train it")


def edit(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(values))


def reseal(bundle: Bundle) -> Bundle:
    """Give changed files their right hashes, as a broken exporter would."""
    return seal_bundle(bundle.path, layout=bundle.layout, sentinels=bundle.sentinels)


def assert_names(error: pytest.ExceptionInfo[BundleError], *words: object) -> None:
    message = str(error.value)
    assert all(str(word) in message for word in words), message
    assert any(remedy in message for remedy in REMEDY), message
    assert "\n" not in message


def test_a_whole_bundle_opens_as_it_was_written(bundle: Bundle, layout: PromptLayout, tokenizer: CodeTokenizer) -> None:
    opened = open_bundle(bundle.path)

    assert opened == bundle
    assert opened.layout == layout
    assert opened.provenance == {"run": "tiny"}
    assert opened.load_tokenizer().encode("def add") == tokenizer.encode("def add")


def test_the_fingerprint_follows_the_files(bundle: Bundle) -> None:
    (bundle.path / "README.md").write_text("Another card.\n")

    assert reseal(bundle).fingerprint != bundle.fingerprint


@pytest.mark.parametrize("place", ["nowhere", "a file"])
def test_a_path_without_a_folder_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "a file").write_text("")

    with pytest.raises(BundleError) as error:
        open_bundle(tmp_path / place)

    assert_names(error, tmp_path / place)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_missing_file_is_named(bundle: Bundle, name: str) -> None:
    (bundle.path / name).unlink()

    with pytest.raises(BundleError) as error:
        open_bundle(bundle.path)

    assert_names(error, bundle.path, name)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_found_in_every_file(bundle: Bundle, name: str) -> None:
    content = bytearray((bundle.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle.path / name).write_bytes(content)

    with pytest.raises(BundleError) as error:
        open_bundle(bundle.path)

    assert_names(error, bundle.path / name, "damaged")


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_truncated_file_is_named(bundle: Bundle, name: str) -> None:
    content = (bundle.path / name).read_bytes()
    (bundle.path / name).write_bytes(content[: len(content) // 2])

    with pytest.raises(BundleError) as error:
        open_bundle(bundle.path)

    assert_names(error, bundle.path / name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda it: it.update(format_version=3), ["format 3", "up to 2"], id="a newer format"),
        pytest.param(lambda it: it.update(format_version="1"), ["format_version '1'"], id="a version that is text"),
        pytest.param(lambda it: it.pop("format_version"), ["format_version None"], id="no version"),
        pytest.param(lambda it: it.pop("sha256"), ["sha256"], id="no hashes"),
        pytest.param(lambda it: it["sha256"].pop("README.md"), ["README.md"], id="a hash is missing"),
        pytest.param(lambda it: it["sha256"].update({"config.json": "0"}), ["config.json"], id="a wrong hash"),
        pytest.param(lambda it: it.pop("prompt"), ["prompt"], id="no layout"),
        pytest.param(lambda it: it.update(prompt="wide"), ["'wide'"], id="a layout that is text"),
        pytest.param(lambda it: it["prompt"].update(new_tokens=-1), ["negative"], id="an impossible budget"),
        pytest.param(lambda it: it["sentinels"].pop("fim_middle"), ["fim_middle"], id="a sentinel is missing"),
        pytest.param(lambda it: it["sentinels"].update(fim_middle=7), ["tokenizer.json"], id="another sentinel"),
        pytest.param(lambda it: it["prompt"].update(context_tokens=49), ["49", "48 positions"], id="too long a prompt"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    bundle: Bundle, change: Callable[[dict[str, Any]], object], words: list[str]
) -> None:
    edit(bundle.path / MANIFEST, change)

    with pytest.raises(BundleError) as error:
        open_bundle(bundle.path)

    assert_names(error, bundle.path, *words)


@pytest.mark.parametrize("content", ["[]", "1", "{", "\x00"])
def test_a_manifest_that_is_no_json_object_is_refused(bundle: Bundle, content: str) -> None:
    (bundle.path / MANIFEST).write_text(content)

    with pytest.raises(BundleError) as error:
        open_bundle(bundle.path)

    assert_names(error, bundle.path / MANIFEST)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda it: it.update(vocab_size=280), ["290 tokens", "280"], id="a network of fewer tokens"),
        pytest.param(lambda it: it.update(n_positions="many"), ["n_positions 'many'"], id="text for a size"),
        pytest.param(lambda it: it.pop("vocab_size"), ["vocab_size None"], id="a size is missing"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_though_its_hash_is_right(
    bundle: Bundle, change: Callable[[dict[str, Any]], object], words: list[str]
) -> None:
    edit(bundle.path / "config.json", change)

    with pytest.raises(BundleError) as error:
        reseal(bundle)

    assert_names(error, bundle.path, *words)


def test_the_tokenizer_of_a_larger_model_is_refused(bundle: Bundle) -> None:
    CodeTokenizer.train(["".join(f"name_{number} " for number in range(99))], 300).save(bundle.tokenizer_path)

    with pytest.raises(BundleError) as error:
        reseal(bundle)

    assert_names(error, bundle.tokenizer_path, "300 tokens", "290")


def test_a_layout_longer_than_the_positions_is_not_sealed(bundle: Bundle) -> None:
    with pytest.raises(BundleError) as error:
        seal_bundle(bundle.path, layout=replace(bundle.layout, context_tokens=64), sentinels=bundle.sentinels)

    assert_names(error, bundle.path / MANIFEST, "64 tokens", "48 positions")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda it: it.update(n_embd=64), ["model.safetensors", "size mismatch"], id="wider"),
        pytest.param(lambda it: it.update(n_layer=4), ["model.safetensors", "Missing"], id="deeper"),
        pytest.param(lambda it: it.update(n_layer=2), ["model.safetensors", "Unexpected"], id="shallower"),
        pytest.param(lambda it: it.update(n_head=5), ["config.json", "num_heads 5"], id="heads that do not divide"),
        pytest.param(lambda it: it.update(model_type="llama"), ["config.json", "'llama'"], id="another architecture"),
        pytest.param(lambda it: it.update(activation_function="relu"), ["config.json", "'relu'"], id="activation"),
        pytest.param(lambda it: it.update(scale_attn_by_inverse_layer_idx=True), ["scale_attn"], id="attention scale"),
        pytest.param(lambda it: it.update(tie_word_embeddings=False), ["tie_word"], id="an output layer of its own"),
    ],
)
def test_weights_of_another_shape_are_refused(
    bundle: Bundle, change: Callable[[dict[str, Any]], object], words: list[str]
) -> None:
    edit(bundle.path / "config.json", change)

    with pytest.raises(BundleError) as error:
        load_gpt2(reseal(bundle))

    assert_names(error, bundle.path, *words)


@pytest.mark.parametrize("size", [0, 4, 1000])
def test_weights_that_end_early_are_refused_though_their_hash_is_right(bundle: Bundle, size: int) -> None:
    bundle.weights_path.write_bytes(bundle.weights_path.read_bytes()[:size])

    with pytest.raises(BundleError) as error:
        load_gpt2(reseal(bundle))

    assert_names(error, bundle.weights_path)


def test_weights_without_a_tensor_are_refused(bundle: Bundle) -> None:
    save_file({"other": torch.zeros(1)}, bundle.weights_path)

    with pytest.raises(BundleError) as error:
        load_gpt2(reseal(bundle))

    assert_names(error, bundle.weights_path)


def test_half_precision_weights_take_half_the_bytes_and_load_as_floats(bundle: Bundle, network: GPT2) -> None:
    full_size = bundle.weights_path.stat().st_size
    save_gpt2(network, bundle.path, end_of_text=0, dtype=torch.float16)

    loaded = load_gpt2(reseal(bundle))

    assert bundle.weights_path.stat().st_size < 0.6 * full_size
    assert loaded.wte.weight.dtype == torch.float32
    torch.testing.assert_close(loaded.wte.weight, network.wte.weight, atol=1e-3, rtol=1e-3)


@pytest.fixture
def int8_bundle(tmp_path: Path, network: GPT2, tokenizer: CodeTokenizer, layout: PromptLayout) -> Bundle:
    return write_bundle(tmp_path / "int8", network=network, tokenizer=tokenizer, layout=layout, int8=True)


def test_an_int8_bundle_is_a_format_of_its_own_with_other_weights(int8_bundle: Bundle) -> None:
    manifest = json.loads((int8_bundle.path / MANIFEST).read_text())

    assert int8_bundle.is_int8
    assert manifest["format_version"] == 2  # a Parrotlet that reads format 1 only says: update Parrotlet
    assert int8_bundle.weights_path.name == "model.int8.safetensors"
    assert not (int8_bundle.path / "model.safetensors").exists()


def test_a_bundle_in_another_format_is_still_the_first(bundle: Bundle) -> None:
    assert json.loads((bundle.path / MANIFEST).read_text())["format_version"] == 1


def test_an_int8_bundle_holds_every_weight_to_half_a_step(int8_bundle: Bundle, network: GPT2) -> None:
    loaded = load_gpt2(int8_bundle).state_dict()

    for name, tensor in network.state_dict().items():
        step = tensor.abs().amax(dim=-1, keepdim=True) / 127 if tensor.ndim == 2 and name != "wpe.weight" else 0.0
        assert bool(((loaded[name] - tensor).abs() <= step * 0.5001 + 1e-9).all()), name


def test_int8_weights_that_are_packed_again_are_the_same_integers(int8_bundle: Bundle) -> None:
    once = load_file(int8_bundle.weights_path)
    again = to_int8(from_int8(once), torch.float32)

    assert {name for name, tensor in once.items() if tensor.dtype == torch.int8} == {
        name for name, tensor in again.items() if tensor.dtype == torch.int8
    }
    assert all(torch.equal(again[name], tensor) for name, tensor in once.items() if tensor.dtype == torch.int8)


def test_an_int8_bundle_is_a_third_of_its_size(bundle: Bundle, int8_bundle: Bundle) -> None:
    assert int8_bundle.weights_path.stat().st_size < 0.4 * bundle.weights_path.stat().st_size


@pytest.mark.parametrize("change", [lambda it: it.pop("wte.weight.scale"), lambda it: it.pop("ln_f.weight")])
def test_int8_weights_without_a_part_are_refused(
    int8_bundle: Bundle, change: Callable[[dict[str, torch.Tensor]], object]
) -> None:
    tensors = load_file(int8_bundle.weights_path)
    change(tensors)
    save_file(tensors, int8_bundle.weights_path)

    with pytest.raises(BundleError) as error:
        load_gpt2(reseal(int8_bundle))
    assert_names(error, int8_bundle.weights_path)
