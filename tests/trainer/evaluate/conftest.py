"""A tiny bundle with random weights, for what needs a model that answers anything at all."""

from __future__ import annotations

import pytest
import torch

from lsp_server.model.bundle import Bundle
from lsp_server.model.gpt2 import GPT2, GPT2Config
from lsp_server.model.prompt import PromptLayout
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.model.weights import write_bundle


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory, code_tokenizer: CodeTokenizer) -> Bundle:
    """One layer of 32 numbers, a window of 64 tokens, weights of a size that makes greedy answers vary."""
    shape = GPT2Config(vocab_size=code_tokenizer.vocab_size, context_tokens=64, width=32, num_layers=1, num_heads=2)
    network = GPT2(shape)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3, generator=generator)
    layout = PromptLayout(context_tokens=64, new_tokens=16, suffix_tokens=12)
    folder = tmp_path_factory.mktemp("tiny") / "bundle"
    return write_bundle(folder, network=network, tokenizer=code_tokenizer, layout=layout)
