"""The greedy tokens that a bundle's network gives in fp32."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from lsp_server.model.bundle import Bundle
from lsp_server.model.weights import load_gpt2

Greedy = Callable[[Bundle, list[int]], list[int]]


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
