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
    with pytest.raises(CorpusError, match="lower vocab_size or add text"):
        train_tokenizer(corpus, tmp_path / "tokenizer", TokenizerConfig(vocab_size=65_536))
    assert not (tmp_path / "tokenizer").exists()


def test_no_corpus_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="holds no finished corpus"):
        train_tokenizer(tmp_path / "corpus", tmp_path / "tokenizer", TokenizerConfig())
