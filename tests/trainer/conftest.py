"""Fixtures for the trainer: folders of code, git repositories that no configuration of the machine reaches, corpora."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from lsp_server.model.bundle import Bundle
from lsp_server.model.gpt2 import GPT2, GPT2Config
from lsp_server.model.prompt import PromptLayout
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.model.weights import write_bundle
from trainer.config import FitConfig, ModelConfig, PackingConfig, PromptConfig, Recipe
from trainer.corpus.store import CorpusManifest, Document, ShardWriter, Split, corpus_digest, write_manifest
from trainer.packing import pack

WriteFiles = Callable[[Path, Mapping[str, str | bytes]], Path]
MakeRepository = Callable[..., Path]
RunGit = Callable[..., None]
MakeCorpus = Callable[..., Path]


def sample_module(number: int) -> str:
    """A small module that no filter objects to and that differs from every other."""
    return f'"""Module {number}."""\n\n\ndef function_{number}(value):\n    return value * {number} + 1\n'


@pytest.fixture
def module() -> Callable[[int], str]:
    return sample_module


@pytest.fixture
def write_files() -> WriteFiles:
    def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return write


@pytest.fixture
def run_git() -> RunGit:
    def run(folder: Path, *arguments: str, date: str = "2024-01-01T00:00:00Z") -> None:
        author = {
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@b",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@b",
            "GIT_AUTHOR_DATE": date,
            "GIT_COMMITTER_DATE": date,
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environment = {**clean, **author, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        command = ["git", "-c", "init.defaultBranch=main", "-C", str(folder), *arguments]
        subprocess.run(command, check=True, capture_output=True, env=environment)

    return run


@pytest.fixture
def make_repository(write_files: WriteFiles, run_git: RunGit) -> MakeRepository:
    """Make a repository whose files are committed."""

    def make(folder: Path, files: Mapping[str, str | bytes], *, commit: bool = True) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        write_files(folder, files)
        run_git(folder, "init", "-q")
        if commit:
            run_git(folder, "add", "-A")
            run_git(folder, "commit", "-q", "-m", "first")
        return folder

    return make


@pytest.fixture(scope="session")
def code_tokenizer() -> CodeTokenizer:
    """A vocabulary of 320 tokens, learnt from modules like `sample_module`'s."""
    return CodeTokenizer.train([sample_module(number) for number in range(60)], 320)


@pytest.fixture
def make_corpus(tmp_path: Path) -> MakeCorpus:
    """Write a finished corpus with exactly these texts."""

    def write(folder: Path, split: Split, texts: Iterable[str]) -> ShardWriter:
        writer = ShardWriter(folder, split)
        for number, text in enumerate(texts):
            digest = hashlib.sha256(text.encode()).hexdigest()
            writer.add(Document(path=f"{number}.py", source="made", licence="MIT", sha256=digest, text=text))
        writer.close()
        return writer

    def make(train: Iterable[str], heldout: Iterable[str] = ()) -> Path:
        folder = tmp_path / "corpus"
        folder.mkdir(exist_ok=True)
        writers = {"train": write(folder, "train", train), "heldout": write(folder, "heldout", heldout)}
        manifest = CorpusManifest(
            corpus_hash=corpus_digest(writers["train"].digests, writers["heldout"].digests),
            inputs_hash="",
            config={},
            splits={
                name: {"num_documents": writer.num_documents, "num_bytes": writer.num_bytes, "shards": writer.shards}
                for name, writer in writers.items()
            },
            heldout_sources=[],
            dropped={},
            refused_sources={},
            reserved={},
            sources=[],
        )
        write_manifest(folder, manifest)
        return folder

    return make


TEXTS = [f"def function_{n}(value):\n    return value * {n} + 1\n" * 6 for n in range(16)]


@pytest.fixture
def packed_run(make_corpus: MakeCorpus, code_tokenizer: CodeTokenizer, tmp_path: Path) -> Path:
    """A run's folder, ready to be trained in."""
    run = tmp_path / "run"
    (run / "tokenizer").mkdir(parents=True)
    code_tokenizer.save(run / "tokenizer" / "tokenizer.json")
    corpus = make_corpus(TEXTS, ["value = 1\n" * 60])
    pack(corpus, run / "tokenizer" / "tokenizer.json", run / "packed", PackingConfig())
    return run


@pytest.fixture
def tiny_recipe() -> Callable[..., Recipe]:
    """A run of 12 steps with dropout and filling in; what is given changes its [fit]."""

    def make(**changes: Any) -> Recipe:
        values = {
            "batch_rows": 4,
            "row_tokens": 48,
            "max_steps": 12,
            "learning_rate": 5e-3,
            "checkpoint_steps": 5,
            "checkpoint_minutes": 0.0,
            "eval_steps": 0,
            "samples": 0,
            "precision": "fp32",
            "threads": 1,
            **changes,
        }
        shape = ModelConfig(num_layers=2, num_heads=2, width=32, context_tokens=64, dropout=0.1)
        prompt = PromptConfig(suffix_tokens=8, new_tokens=8)
        return Recipe(run="tiny", seed=5, model=shape, prompt=prompt, fit=FitConfig(**values))

    return make


@pytest.fixture
def fresh_accelerator(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """accelerate keeps one state for the process; each test gets a new one, and torch its threads back."""
    from accelerate.state import AcceleratorState, GradientState

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # tiny products: a second thread only waits
    monkeypatch.setattr("trainer.fit.journal.plot_curves", lambda *_: None)  # tested by itself; a second a run
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory, code_tokenizer: CodeTokenizer) -> Bundle:
    """Random weights of a size that makes greedy answers vary; a window of 64 tokens."""
    shape = GPT2Config(vocab_size=code_tokenizer.vocab_size, context_tokens=64, width=32, num_layers=2, num_heads=2)
    network = GPT2(shape)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3, generator=generator)
    return write_bundle(
        tmp_path_factory.mktemp("tiny") / "bundle",
        network=network,
        tokenizer=code_tokenizer,
        layout=PromptLayout(context_tokens=64, new_tokens=16, suffix_tokens=12),
        card="---\nlicense: apache-2.0\nlibrary_name: transformers\n---\n\n# tiny\n",
        provenance={"run": "tiny"},
        dtype=torch.float16,
    )
