from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models

from lsp_server.model.spelling import Spellings, last_piece
from lsp_server.model.tokenizer import CodeTokenizer

TEXT = "def add(left, right):\n    return left + right  # größer\n" * 8


@pytest.fixture(scope="module")
def tokenizer() -> CodeTokenizer:
    return CodeTokenizer.train([TEXT], 290)


def test_every_token_is_spelt_as_it_decodes(tokenizer: CodeTokenizer) -> None:
    spellings = tokenizer.spellings()
    for token_id in set(tokenizer.encode(TEXT)):
        assert spellings.spelt(tokenizer.decode_bytes([token_id])) == token_id
    assert len(spellings.beginning_with(b"")) == tokenizer.vocab_size - len(tokenizer.sentinel_ids)


def test_tokens_that_begin_with_some_bytes(tokenizer: CodeTokenizer) -> None:
    found = tokenizer.spellings().beginning_with(b" r")
    spelt = {tokenizer.decode_bytes([each]) for each in found}
    everything = {tokenizer.decode_bytes([each]) for each in range(tokenizer.vocab_size)}
    assert spelt == {each for each in everything if each.startswith(b" r")} != set()
    assert tokenizer.spellings().beginning_with(b"\xff\xff") == []


def test_no_sentinel_is_spelt(tokenizer: CodeTokenizer) -> None:
    assert tokenizer.spellings().beginning_with(b"<|") == []


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("x = self.conf", "conf"),
        ("x = ", " "),
        ("x =", " ="),
        ("def f():\n    ", "\n    "),
        ("foo_ba", "_ba"),
        ("f(", "("),
        ("grö", "grö"),
        ("", ""),
    ],
)
def test_the_last_piece_is_what_more_text_may_change(tokenizer: CodeTokenizer, text: str, piece: str) -> None:
    assert tokenizer.last_piece(text) == piece


def test_of_a_very_long_piece_only_the_last_token_is_taken(tokenizer: CodeTokenizer) -> None:
    assert tokenizer.last_piece("x" * 500) == "x"


@pytest.mark.parametrize("text", ["x = self.conf", "x = ", "x  ", "def f():\n    ", "foo_ba", "f(", "1 + 12", "# grö"])
@pytest.mark.parametrize("more", ["ig", " y", "x", "\n    z", ")", "3", "_q", "ß"])
def test_the_tokens_before_the_last_piece_stay_whatever_follows(tokenizer: CodeTokenizer, text: str, more: str) -> None:
    head = text[: len(text) - len(tokenizer.last_piece(text))]
    ids = tokenizer.encode(head)
    assert tokenizer.encode(text + more)[: len(ids)] == ids


def test_sentencepieces_tokens_are_spelt_with_spaces_and_bytes() -> None:
    vocabulary = {"<unk>": 0, "▁def": 1, "<0x0A>": 2, "a": 3}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    spellings = Spellings.of(backend, silent_ids=[0])
    assert spellings.spelt(b" def") == 1
    assert spellings.spelt(b"\n") == 2
    assert spellings.beginning_with(b"<") == []


def test_a_tokenizer_that_does_not_cut_gives_its_last_token() -> None:
    backend = Tokenizer(models.BPE(vocab={"a": 0, "b": 1, "ab": 2}, merges=[("a", "b")]))
    assert last_piece(backend, "ab" * 100) == "ab"


def test_the_embedded_tokenizer_takes_text_back_to_a_boundary() -> None:
    import lsp_server

    folder = Path(lsp_server.__file__).parent / "bundled" / "default"
    tokenizer = CodeTokenizer.load(folder / "tokenizer.json")
    assert tokenizer.last_piece("    return self.confi") == "confi"
