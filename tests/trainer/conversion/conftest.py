"""A tiny bundle with random weights, and the greedy tokens that its network gives in fp32."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from lsp_server.model.bundle import Bundle
from lsp_server.model.gpt2 import GPT2, GPT2Config
from lsp_server.model.prompt import PromptLayout
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.model.weights import load_gpt2, write_bundle

CARD = "---\nlicense: apache-2.0\nlibrary_name: transformers\n---\n\n# tiny\n"
Greedy = Callable[[Bundle, list[int]], list[int]]


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory, code_tokenizer: CodeTokenizer) -> Bundle:
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
        card=CARD,
        provenance={"run": "tiny"},
        dtype=torch.float16,
    )


@pytest.fixture(scope="session")
def greedy() -> Greedy:
    """Twenty tokens behind a prompt, each from the whole text before it."""

    def decode(bundle: Bundle, ids: list[int]) -> list[int]:
        network = load_gpt2(bundle)
        written = list(ids)
        for _ in range(20):
            written.append(int(network(torch.tensor([written]))[0, -1].argmax()))
        return written[len(ids) :]

    return decode
