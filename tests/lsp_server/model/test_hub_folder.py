"""What is read from a folder of the Hub's kind, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hub_folders import FAMILY_TOKENS, WINDOW, byte_level, edit_json, of_family, save_hub_model, sentencepiece

from lsp_server.errors import BundleError
from lsp_server.model.bundle import Bundle
from lsp_server.model.hub_folder import MAX_CONTEXT_TOKENS, HubModel, open_hub_model
from lsp_server.model.opening import content_hash, open_model

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_hub_model(tmp_path_factory.mktemp("hub"), "gpt2", of_family("StarCoder"))


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "hub"))


def prompt_tokens(model: HubModel, prefix: str, suffix: str) -> list[str]:
    """The prompt as the tokenizer spells it, sentinels included."""
    tokenizer = model.load_tokenizer()
    names = {number: token for token, number in tokenizer.sentinel_ids.items()}
    ids = model.prompts.build(prefix=tokenizer.encode(prefix), suffix=tokenizer.encode(suffix))
    return [names.get(number) or tokenizer.decode([number]) for number in ids]


@pytest.mark.parametrize(
    ("family", "settings", "expected"),
    [
        ("StarCoder", {}, ["<fim_prefix>", "a", "<fim_suffix>", "b", "<fim_middle>"]),
        ("SantaCoder", {}, ["<fim-prefix>", "a", "<fim-suffix>", "b", "<fim-middle>"]),
        ("StarCoder2", {}, ["<fim_prefix>", "a", "<fim_suffix>", "b", "<fim_middle>"]),
        (
            "Qwen2.5-Coder",
            {"add_bos_token": False, "bos_token": "<|endoftext|>"},
            ["<|fim_prefix|>", "a", "<|fim_suffix|>", "b", "<|fim_middle|>"],
        ),
        (
            "CodeGemma",
            {"add_bos_token": True, "bos_token": {"content": "<bos>"}},
            ["<bos>", "<|fim_prefix|>", "a", "<|fim_suffix|>", "b", "<|fim_middle|>"],
        ),
        (
            "DeepSeek-Coder",
            {"add_bos_token": True, "bos_token": "<｜begin▁of▁sentence｜>"},
            ["<｜begin▁of▁sentence｜>", "<｜fim▁begin｜>", "a", "<｜fim▁hole｜>", "b", "<｜fim▁end｜>"],
        ),
        ("CodeLlama", {}, ["<s>", "▁<PRE>", "a", "▁<SUF>", "b", "▁<MID>"]),
    ],
)
def test_the_prompt_is_laid_out_as_the_family_was_trained(
    family: str, settings: dict[str, object], expected: list[str], folder: Path
) -> None:
    of_family(family).save(str(folder / "tokenizer.json"))
    edit_json(folder / "config.json", vocab_size=500)
    edit_json(folder / "tokenizer_config.json", **settings)
    model = open_hub_model(folder)
    assert prompt_tokens(model, "a", "b") == expected
    assert family in model.title
    assert "fills in the middle" in model.title


def test_the_table_above_is_whole() -> None:
    marks = test_the_prompt_is_laid_out_as_the_family_was_trained.pytestmark
    assert {case[0] for case in marks[0].args[1]} == set(FAMILY_TOKENS)


def test_a_model_of_no_family_sees_the_prefix_only(folder: Path) -> None:
    byte_level().save(str(folder / "tokenizer.json"))
    model = open_hub_model(folder)
    assert prompt_tokens(model, "a", "b") == ["a"]
    assert model.title == "gpt2 of no known family, sees the text before the cursor only"


@pytest.mark.parametrize(("adds", "expected"), [(None, ["<s>", "a"]), (True, ["<s>", "a"]), (False, ["a"])])
def test_what_tokenizer_config_says_of_bos_goes_before_the_template(
    adds: bool | None, expected: list[str], folder: Path
) -> None:
    sentencepiece().save(str(folder / "tokenizer.json"))
    edit_json(folder / "config.json", vocab_size=500)
    edit_json(folder / "tokenizer_config.json", add_bos_token=adds, bos_token="<s>")
    assert prompt_tokens(open_hub_model(folder), "a", "") == expected


def test_every_end_that_a_file_names_ends_an_answer(folder: Path) -> None:
    tokenizer = open_hub_model(folder).load_tokenizer()
    first, second, third = (tokenizer.encode(letter)[0] for letter in "xyz")
    edit_json(folder / "config.json", eos_token_id=first)
    edit_json(folder / "generation_config.json", eos_token_id=[second])
    edit_json(folder / "tokenizer_config.json", eos_token="z")
    ends = set(open_hub_model(folder).load_tokenizer().sentinel_ids.values())
    assert ends - set(tokenizer.sentinel_ids.values()) == {first, second, third}


@pytest.mark.parametrize(
    ("changes", "window"),
    [
        ({}, WINDOW),
        ({"n_positions": 100_000}, MAX_CONTEXT_TOKENS),
        ({"n_positions": None, "max_position_embeddings": 512}, 512),
        ({"n_positions": 4096, "sliding_window": 512}, 512),
        ({"n_positions": 4096, "sliding_window": 512, "use_sliding_window": False}, MAX_CONTEXT_TOKENS),
        ({"n_positions": 1024, "sliding_window": 4096}, 1024),
    ],
)
def test_the_window_is_what_network_sliding_attention_and_limit_allow(
    changes: dict[str, object], window: int, folder: Path
) -> None:
    edit_json(folder / "config.json", **changes)
    assert open_hub_model(folder).prompts.context_tokens == window


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def half_of_its_shards(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))


def larger_tokenizer(folder: Path) -> None:
    edit_json(folder / "config.json", vocab_size=290)
    byte_level([f"<extra_{number}>" for number in range(9)]).save(str(folder / "tokenizer.json"))


def config(**changes: object) -> Callable[[Path], None]:
    return lambda folder: edit_json(folder / "config.json", **changes)


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def empty(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text("{")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (without("config.json"), ["neither parrotlet.json nor config.json"]),
        (empty("config.json"), ["config.json cannot be read"]),
        (without("tokenizer.json"), ["has no tokenizer.json", "save_pretrained"]),
        (empty("tokenizer.json"), ["tokenizer.json is not a readable"]),
        (empty("tokenizer_config.json"), ["tokenizer_config.json cannot be read"]),
        (without("model.safetensors"), ["has no model.safetensors"]),
        (pickled, ["pytorch_model.bin is pickled", "save_pretrained"]),
        (half_of_its_shards, ["model-00002-of-00002.safetensors", "is missing"]),
        (larger_tokenizer, ["tokenizer.json has 299 tokens", "the network 290"]),
        (config(vocab_size=291), ["<fim_prefix> as 291", "beyond the network's 291"]),
        (config(vocab_size=None), ["config.json has vocab_size None"]),
        (config(model_type=None), ["config.json has model_type None"]),
        (config(architectures=["BertForMaskedLM"]), ["BertForMaskedLM", "not of a causal"]),
        (config(is_encoder_decoder=True), ["an encoder with a decoder"]),
        (config(layer_types=["full_attention", "linear_attention"]), ["'linear_attention'", "cannot go back"]),
        (config(n_positions=None), ["has none of n_positions, max_position_embeddings"]),
        (config(n_positions="long"), ["n_positions 'long'"]),
        (config(n_positions=32), ["n_positions 32", "64 are the least"]),
        (config(sliding_window=16), ["sliding_window 16"]),
    ],
)
def test_what_does_not_fit_is_refused_by_name_on_one_line(
    damage: Callable[[Path], object], words: list[str], folder: Path
) -> None:
    damage(folder)
    with pytest.raises(BundleError) as error:
        open_model(folder)
    message = str(error.value)
    assert "\n" not in message
    assert str(folder) in message
    assert [word for word in words if word not in message] == []
    assert message.rpartition(": ")[2], "a remedy"


def test_weights_in_shards_are_accepted(folder: Path) -> None:
    half_of_its_shards(folder)
    shutil.copy(folder / "model-00001-of-00002.safetensors", folder / "model-00002-of-00002.safetensors")
    assert open_hub_model(folder).weights_bytes == 2 * (folder / "model-00001-of-00002.safetensors").stat().st_size


def test_a_manifest_of_ours_decides_which_kind_a_folder_is(bundle: Bundle, folder: Path) -> None:
    assert isinstance(open_model(bundle.path), Bundle)
    assert isinstance(open_model(), Bundle)
    assert isinstance(open_model(folder), HubModel)


def test_engines_are_told_apart_when_a_folder_changes(folder: Path) -> None:
    before = content_hash(folder)
    assert before == content_hash(folder) != ""
    edit_json(folder / "config.json", dtype="bfloat16")
    assert content_hash(folder) != before
    assert content_hash(folder / "missing") == ""


def test_the_server_opens_a_folder_without_torch_or_transformers(folder: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from lsp_server.assembly import make_engine, open_completer;"
        "from lsp_server.engine.choice import EngineChoice; model = Path(sys.argv[1]);"
        "completer = open_completer(model, make_engine(EngineChoice(model=model), in_process=False));"
        "print(sorted({'torch', 'transformers', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder)], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
