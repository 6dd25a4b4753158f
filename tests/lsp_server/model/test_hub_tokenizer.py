from __future__ import annotations

import json
from pathlib import Path

import pytest
from hub_folders import byte_level, of_family, sentencepiece
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from lsp_server.errors import BundleError
from lsp_server.model.fim_families import CONTROL_TOKENS
from lsp_server.model.hub_tokenizer import HubTokenizer

KINDS = {
    "byte-level": byte_level(),
    "prepend": sentencepiece("prepend"),
    "metaspace": sentencepiece("metaspace"),
    "CodeLlama": of_family("CodeLlama"),
}


def saved(tokenizer: Tokenizer, folder: Path) -> HubTokenizer:
    file = folder / "tokenizer.json"
    tokenizer.save(str(file))
    return HubTokenizer.load(file, CONTROL_TOKENS)


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> HubTokenizer:
    return saved(KINDS[request.param], tmp_path_factory.mktemp("tokenizer"))


@given(text=st.text(st.characters(exclude_characters="▁", exclude_categories=["Cs"])))
def test_every_text_comes_back_as_it_went_in(tokenizer: HubTokenizer, text: str) -> None:
    """But for the mark that SentencePiece writes for a space: to it, the two are one."""
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("text", [" left", "left", "  return left", "\tpass", "\n    pass", " "])
def test_an_answer_keeps_its_leading_space_and_gets_none(tokenizer: HubTokenizer, text: str) -> None:
    behind = tokenizer.encode(f"x{text}")
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.decode(behind) == f"x{text}"
    assert tokenizer.decode(behind)[len(tokenizer.decode(behind[:1])) :] == tokenizer.decode(behind[1:])


def test_sentencepieces_own_decoding_would_lose_that_space(tmp_path: Path) -> None:
    """The reason for all this."""
    plain = sentencepiece("prepend")
    assert plain.decode(plain.encode("x left", add_special_tokens=False).ids[1:]) != " left"


@pytest.mark.parametrize("name", ["StarCoder", "Qwen2.5-Coder", "DeepSeek-Coder", "CodeLlama"])
def test_sentinels_spelt_out_in_code_are_text(name: str, tmp_path: Path) -> None:
    plain = of_family(name)
    tokenizer = saved(plain, tmp_path)
    for token, number in tokenizer.sentinel_ids.items():
        ids = tokenizer.encode(f"a = '{token}'")
        assert number not in ids
        assert tokenizer.decode(ids) == f"a = '{token}'".replace("▁", " " if name == "CodeLlama" else "▁")


def test_control_tokens_that_the_file_calls_ordinary_end_an_answer(tmp_path: Path) -> None:
    assert not [token for token in of_family("Qwen2.5-Coder").get_added_tokens_decoder().values() if token.special]
    tokenizer = saved(of_family("Qwen2.5-Coder"), tmp_path)
    assert {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|file_sep|>", "<|endoftext|>"} == set(
        tokenizer.sentinel_ids
    )


def test_a_character_of_several_byte_tokens_shows_when_it_is_whole(tmp_path: Path) -> None:
    tokenizer = saved(sentencepiece(), tmp_path)
    ids = tokenizer.encode("→")
    assert len(ids) == 3
    assert [tokenizer.decode(ids[:end]) for end in (1, 2, 3)] == ["\ufffd", "\ufffd\ufffd", "→"]


def test_what_the_template_puts_before_a_text_is_known(tmp_path: Path) -> None:
    tokenizer = saved(sentencepiece(), tmp_path)
    assert tokenizer.leading_ids() == (tokenizer.token_to_id("<s>"),)
    assert saved(byte_level(), tmp_path).leading_ids() == ()


def test_a_length_limit_in_the_file_cuts_no_prompt(tmp_path: Path) -> None:
    plain = byte_level()
    plain.enable_truncation(8)
    plain.enable_padding(length=64)
    tokenizer = saved(plain, tmp_path)
    text = "def add(left, right):\n" * 4
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer.encode("a")) == 1


def test_a_lone_surrogate_becomes_a_question_mark(tokenizer: HubTokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a?b"


def lowercase() -> Tokenizer:
    tokenizer = byte_level()
    tokenizer.normalizer = normalizers.Lowercase()
    return tokenizer


def words() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(["a b"], trainers.WordLevelTrainer(special_tokens=["?"], show_progress=False))
    return tokenizer


@pytest.mark.parametrize("make", [lowercase, words])
def test_a_tokenizer_that_alters_code_is_refused(make: object, tmp_path: Path) -> None:
    assert callable(make)
    with pytest.raises(BundleError, match=r"tokenizer\.json alters text.*choose another model"):
        saved(make(), tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"model": {"type": "Other"}})])
def test_a_file_that_is_no_tokenizer_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text(content)
    with pytest.raises(
        BundleError, match=r"tokenizer\.json is not a readable tokenizer.*choose another model"
    ) as error:
        HubTokenizer.load(file)
    assert "\n" not in str(error.value)
