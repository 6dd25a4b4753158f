"""A data folder of each test's own, and small bundles to put into it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lsp_server.data_folder import FOLDER_VARIABLE
from lsp_server.model.gpt2 import GPT2, GPT2Config
from lsp_server.model.prompt import PromptLayout
from lsp_server.model.tokenizer import MIN_VOCAB_SIZE, CodeTokenizer
from lsp_server.model.weights import write_bundle


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's models are; not there yet."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "data"))
    return tmp_path / "data" / "models"


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    tokenizer = CodeTokenizer.train(["ab"], MIN_VOCAB_SIZE)
    shape = GPT2Config(vocab_size=tokenizer.vocab_size, context_tokens=64, width=8, num_layers=1, num_heads=1)
    layout = PromptLayout(context_tokens=64, new_tokens=8, suffix_tokens=8)
    folder = tmp_path_factory.mktemp("bundle") / "small"
    return write_bundle(folder, network=GPT2(shape), tokenizer=tokenizer, layout=layout).path
