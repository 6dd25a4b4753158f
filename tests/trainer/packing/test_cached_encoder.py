"""The fast way to ids gives what the slow way gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lsp_server.model.tokenizer import SENTINELS, CodeTokenizer
from trainer.packing import CachedEncoder, cached_encoder

TEXT = "".join(
    f"    if value_{number} >= {number}:\n\n        return  __name__[{number}:]  # so\n" for number in range(60)
)
TEXT += "=\x1c=" * 50  # no white space to the tokenizers library, but to Python's re
LEARNT = CodeTokenizer.train([TEXT], 400)
ENCODER = CachedEncoder(LEARNT, np.uint16)
"""Shared by all examples, so that most pieces are looked up."""


def ids(encoder: CachedEncoder, text: str) -> list[int]:
    return np.frombuffer(encoder.encode(text), np.uint16).tolist()  # type: ignore[no-any-return]


@given(st.one_of(st.text(), st.text(" \t\r\n\x0b\x0c\x1c_aZ09.<|\u00e9\u0660\u2028\xa0\x85", max_size=60)))
@example("".join(SENTINELS))
@example(TEXT)
@example("\u00e9\r\n\r\r\n\n  x\n\n\t\u00b2x\n \n")
@example("x\n\n        caf\u00e9")
@example("=\x1c= \x1d")
@example("lone \ud800 surrogate\n  ascii")
def test_ids_equal_the_tokenizers(text: str) -> None:
    assert ids(ENCODER, text) == LEARNT.encode(text)


def test_pieces_that_are_not_remembered_are_encoded_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached_encoder, "MOST_PIECES", 3)
    encoder = CachedEncoder(LEARNT, np.uint16)

    assert ids(encoder, TEXT + "=" * 500) == LEARNT.encode(TEXT + "=" * 500)
    assert len(encoder._pieces) == 3


def test_another_tokenizers_cuts_are_left_to_it() -> None:
    other = CodeTokenizer.train([TEXT], 400, r"\s+|\S+")

    assert ids(CachedEncoder(other, np.uint16), TEXT) == other.encode(TEXT)
    assert other.encode(TEXT) != LEARNT.encode(TEXT)
