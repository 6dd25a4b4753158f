from __future__ import annotations

import pytest

from lsp_server.model.prompt import PromptLayout, Sentinels
from lsp_server.model.tokenizer import MIN_VOCAB_SIZE, CodeTokenizer


@pytest.fixture(scope="session")
def tokenizer() -> CodeTokenizer:
    """One token for each byte."""
    return CodeTokenizer.train(["ab"], MIN_VOCAB_SIZE)


@pytest.fixture(scope="session")
def sentinels(tokenizer: CodeTokenizer) -> Sentinels:
    return Sentinels.of(tokenizer)


@pytest.fixture(scope="session")
def layout() -> PromptLayout:
    """400 tokens of prefix."""
    return PromptLayout(context_tokens=503, new_tokens=50, suffix_tokens=50)
