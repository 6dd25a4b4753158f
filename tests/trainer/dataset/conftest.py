"""Packed tokens of forty small functions, and the way rows are made of them."""

from __future__ import annotations

import numpy as np
import pytest

from lsp_server.model.tokenizer import CodeTokenizer
from trainer.dataset import FillInMiddle, RowMaker
from trainer.packing import TokenStream

ROW_TOKENS = 64
TEXTS = [f"def function_{n}(value, other_{n}):\n    return value * {n} + other_{n}\n" * 4 for n in range(40)]


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return TEXTS


@pytest.fixture(scope="session")
def stream(code_tokenizer: CodeTokenizer) -> TokenStream:
    documents = [[*code_tokenizer.encode(text), code_tokenizer.end_of_text] for text in TEXTS]
    ids = np.asarray([token for document in documents for token in document], np.uint16)
    starts = np.cumsum([0, *map(len, documents)])
    return TokenStream(shards=(ids,), starts=(0, len(ids)), document_starts=starts)


@pytest.fixture(scope="session")
def fill(code_tokenizer: CodeTokenizer) -> FillInMiddle:
    return FillInMiddle.of(code_tokenizer)


@pytest.fixture(scope="session")
def maker(fill: FillInMiddle) -> RowMaker:
    return RowMaker(row_tokens=ROW_TOKENS, seed=3, fill_in_middle=fill)
