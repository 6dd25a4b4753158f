"""A tokenizer of a few words and networks with weights large enough that every part of them shows in the logits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lsp_server.model.bundle import Bundle
from lsp_server.model.gpt2 import GPT2, GPT2Config
from lsp_server.model.prompt import PromptLayout
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.model.weights import write_bundle

CODE = "def add(left, right):\n    return left + right\n\n\nclass Point:\n    pass\n"
VOCAB_SIZE = 290
CONTEXT_TOKENS = 48

MakeNetwork = Callable[..., GPT2]


def random_network(vocab_size: int = VOCAB_SIZE, context_tokens: int = CONTEXT_TOKENS) -> GPT2:
    """Every parameter is random, biases and norms too: freshly initialised ones are 0 or 1 and would hide mistakes."""
    network = GPT2(
        GPT2Config(vocab_size=vocab_size, context_tokens=context_tokens, width=32, num_layers=3, num_heads=4)
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3, generator=generator)
    return network.eval().requires_grad_(requires_grad=False)


@pytest.fixture(scope="session")
def make_network() -> MakeNetwork:
    return random_network


@pytest.fixture
def network() -> GPT2:
    return random_network()


@pytest.fixture(scope="session")
def tokenizer() -> CodeTokenizer:
    return CodeTokenizer.train([CODE * 4], VOCAB_SIZE)


@pytest.fixture
def layout() -> PromptLayout:
    return PromptLayout(context_tokens=CONTEXT_TOKENS, new_tokens=8, suffix_tokens=10)


@pytest.fixture
def bundle(tmp_path: Path, network: GPT2, tokenizer: CodeTokenizer, layout: PromptLayout) -> Bundle:
    return write_bundle(
        tmp_path / "model", network=network, tokenizer=tokenizer, layout=layout, provenance={"run": "tiny"}
    )
