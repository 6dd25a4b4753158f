"""Reading pretrained models: what is added, what is refused, and that nothing is fetched unasked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from lsp_server.errors import CheckpointError, RecipeError
from lsp_server.model.tokenizer import SENTINELS, CodeTokenizer
from trainer.recipe import parse_recipe
from trainer.tuning.pretrained import PROBE, fingerprint, load_network, load_vocabulary
from trainer.tuning.vocabulary import adopt_tokenizer

from .conftest import TEXTS, model_config


def test_missing_sentinels_are_added_behind_its_own_tokens(gpt2_folder: Path, llama_folder: Path) -> None:
    gpt2, llama = load_vocabulary(model_config(gpt2_folder)), load_vocabulary(model_config(llama_folder))
    assert gpt2.added_ids == (301, 302, 303, 304), "GPT-2 has <|endoftext|> already"
    assert llama.added_ids == (301, 302, 303, 304, 305)
    assert gpt2.num_ids == 305


def test_the_stage_is_a_tokenizer_of_ours_that_gives_text_back(gpt2_folder: Path, tmp_path: Path) -> None:
    told = adopt_tokenizer(model_config(gpt2_folder), tmp_path / "tokenizer")
    tokenizer = CodeTokenizer.load(tmp_path / "tokenizer" / "tokenizer.json")
    assert tokenizer.decode(tokenizer.encode(PROBE)) == PROBE
    assert tokenizer.decode(tokenizer.encode("<|fim_middle|>")) == "<|fim_middle|>", "spelled out, it is text"
    assert set(tokenizer.sentinel_ids) == set(SENTINELS)
    assert "305 tokens" in told
    assert json.loads((tmp_path / "tokenizer" / "report.json").read_text())["added_sentinels"] == 4


def test_embeddings_grow_to_a_multiple_of_64_and_keep_what_was_learnt(gpt2_folder: Path) -> None:
    before = GPT2LMHeadModel.from_pretrained(gpt2_folder)
    grown = load_network(model_config(gpt2_folder), 305)
    rows = grown.get_input_embeddings().weight
    assert rows.shape == (320, 32)
    assert grown.get_output_embeddings().weight is rows
    assert torch.equal(rows[:301], before.transformer.wte.weight)
    ids = torch.arange(1, 40)[None]
    torch.testing.assert_close(grown.eval()(ids).logits[..., :301], before.eval()(ids).logits)
    assert load_network(model_config(gpt2_folder), 280).get_input_embeddings().num_embeddings == 301, "never shrinks"


def test_the_recipes_dropout_is_gpt2s(gpt2_folder: Path) -> None:
    config = load_network(model_config(gpt2_folder, dropout=0.25), 0).config
    assert (config.attn_pdrop, config.embd_pdrop, config.resid_pdrop) == (0.25, 0.25, 0.25)


def test_a_name_is_not_fetched_unless_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from transformers import AutoConfig

    asked: list[bool] = []

    def refuse(name: str, *, local_files_only: bool, **options: object) -> None:
        asked.append(local_files_only)
        raise OSError("not in the cache")

    monkeypatch.setattr(AutoConfig, "from_pretrained", refuse)
    for download in (False, True):
        with pytest.raises(RecipeError, match=r"set model\.download = true"):
            load_network(model_config("distilbert/no-such-model", download=download), 0)
    assert asked == [True, False]


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        load_network(model_config(tmp_path), 0)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_weights_are_named(gpt2_folder: Path, tmp_path: Path) -> None:
    for file in gpt2_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(CheckpointError, match="weights cannot be read"):
        load_network(model_config(tmp_path), 0)


def test_a_window_longer_than_the_models_is_refused(gpt2_folder: Path) -> None:
    with pytest.raises(RecipeError, match=r"model\.context_tokens is 256, more than the 128 positions"):
        load_network(model_config(gpt2_folder, context_tokens=256), 0)


def test_a_tokenizer_that_changes_code_is_refused(tmp_path: Path) -> None:
    lower = Tokenizer(models.BPE())
    lower.normalizer = normalizers.Lowercase()
    lower.pre_tokenizer, lower.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    lower.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    )
    spaced = Tokenizer.from_str(lower.to_str())
    spaced.normalizer = normalizers.Strip()
    for name, tokenizer in (("lower", lower), ("spaced", spaced)):
        PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(tmp_path / name)
        if name == "lower":
            tokenizer_file = tmp_path / name / "tokenizer.json"
            tokenizer_file.write_text(tokenizer_file.read_text().replace("Lowercase", "NFKD"))
        with pytest.raises(RecipeError, match="does not give code back exactly"):
            load_vocabulary(model_config(tmp_path / name))


def test_a_changed_folder_has_another_fingerprint(gpt2_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    first = fingerprint(model_config(tmp_path))
    (tmp_path / "config.json").write_text('{"a": 1}')
    assert fingerprint(model_config(tmp_path)) != first
    assert fingerprint(model_config("gpt2")) == "gpt2"
    assert fingerprint(parse_recipe({"run": "a"}).model) == ""
