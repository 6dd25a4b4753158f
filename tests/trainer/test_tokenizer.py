"""The tokenizer stage: a corpus in, a vocabulary and a report out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.errors import CorpusError
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.config import CorpusConfig, TokenizerConfig
from trainer.corpus.build import build_corpus
from trainer.tokenizer import train_tokenizer
from trainer.tokenizer.report import kind_of


@pytest.fixture
def corpus(tmp_path: Path, write_files: Callable[..., Path], module: Callable[[int], str]) -> Path:
    words = [f"def step_{first}{second}(value):\n    return value\n" for first in "abcdefgh" for second in "ijklmnop"]
    files = {f"{number}.py": module(number) + words[number % len(words)] * 3 for number in range(300)}
    build_corpus(CorpusConfig(sources=(str(write_files(tmp_path / "project", files)),)), tmp_path / "corpus")
    return tmp_path / "corpus"


def test_tokenizer_and_report_are_written(tmp_path: Path, corpus: Path) -> None:
    report = train_tokenizer(corpus, tmp_path / "tokenizer", TokenizerConfig(vocab_size=384))
    tokenizer = CodeTokenizer.load(tmp_path / "tokenizer" / "tokenizer.json")
    assert tokenizer.vocab_size == report.vocab_size == 384
    assert tokenizer.decode(tokenizer.encode("def step_ai(value):\n    return value\n")).startswith("def step_ai")
    assert report.bytes_per_token > 2.0
    assert json.loads((tmp_path / "tokenizer" / "report.json").read_text())["bytes_per_token"] == report.bytes_per_token


def test_two_runs_make_the_same_tokenizer(tmp_path: Path, corpus: Path) -> None:
    for name in ("first", "second"):
        train_tokenizer(corpus, tmp_path / name, TokenizerConfig(vocab_size=384))
    first, second = ((tmp_path / name / "tokenizer.json").read_bytes() for name in ("first", "second"))
    assert first == second


def test_the_sample_is_a_draw_of_about_the_size_asked_for(tmp_path: Path, corpus: Path) -> None:
    report = train_tokenizer(corpus, tmp_path / "tokenizer", TokenizerConfig(vocab_size=384, sample_bytes=20_000))
    assert 10_000 < report.sample_bytes < 30_000  # drawn by hash: always the same


def test_too_large_a_vocabulary_leaves_nothing_behind(tmp_path: Path, corpus: Path) -> None:
    with pytest.raises(
        CorpusError,
        match=r"284 documents with \d+ kB are too little for tokenizer.vocab_size 65,536 \(the corpus yields "
        r"\d+ tokens, not 65536: lower vocab_size or add text\); or fine-tune a pretrained model",
    ):
        train_tokenizer(corpus, tmp_path / "tokenizer", TokenizerConfig(vocab_size=65_536))
    assert not (tmp_path / "tokenizer").exists()


def test_no_corpus_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="holds no finished corpus"):
        train_tokenizer(tmp_path / "corpus", tmp_path / "tokenizer", TokenizerConfig())


def test_the_report_tells_what_the_vocabulary_holds_and_how_it_fits(tmp_path: Path, corpus: Path) -> None:
    report = train_tokenizer(corpus, tmp_path / "tokenizer", TokenizerConfig(vocab_size=384))
    tokenizer = CodeTokenizer.load(tmp_path / "tokenizer" / "tokenizer.json")

    assert report.measured_on == "heldout"
    assert report.gpt2_characters_per_token is not None
    assert report.gpt2_characters_per_token < report.characters_per_token, "line breaks with their indentation pay"
    assert set(report.by_kind) == {".py"}
    assert "def" not in report.split_keywords
    assert "lambda" in report.split_keywords, "nobody used it"
    assert report.keyword_share == round(1 - len(report.split_keywords) / 35, 4)
    assert all(len(tokenizer.encode(token)) == 1 for token in report.longest_tokens)
    assert tokenizer.decode([383]) == report.last_tokens[-1]
    text = (tmp_path / "tokenizer" / "report.txt").read_text()
    assert text == report.text()
    assert "GPT-2 cuts" in text


@pytest.mark.parametrize(
    ("path", "kind"),
    [("a/tests/b.py", "tests"), ("test_a.py", "tests"), ("a/b.pyi", ".pyi"), ("Makefile", "without ending")],
)
def test_files_are_told_apart_by_kind(path: str, kind: str) -> None:
    assert kind_of(path) == kind


def test_an_empty_corpus_is_told(tmp_path: Path, make_corpus: Callable[..., Path]) -> None:
    with pytest.raises(CorpusError, match="holds no training text: add sources"):
        train_tokenizer(make_corpus([], ["x = 1\n"]), tmp_path / "tokenizer", TokenizerConfig())


def test_without_text_enough_for_the_peer_there_is_no_peer(tmp_path: Path, make_corpus: Callable[..., Path]) -> None:
    """Words with their underscores make more pieces than GPT-2's cuts have."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    texts = [" ".join(f"_{first}{second}" for first in letters for second in letters)]
    report = train_tokenizer(make_corpus(texts), tmp_path / "tokenizer", TokenizerConfig(vocab_size=960))

    assert report.measured_on == "train"
    assert report.gpt2_characters_per_token is None
    assert " - " in report.text()
