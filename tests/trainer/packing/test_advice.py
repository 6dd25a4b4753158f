"""A corpus of ten files is told that it is too small, and what would do."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.config import FitConfig, Recipe
from trainer.packing.advice import advice


def index(documents: int, tokens: int, heldout_tokens: int = 100) -> dict[str, Any]:
    train = {"documents": documents, "tokens": tokens, "bytes": tokens * 4}
    return {"splits": {"train": train, "heldout": {"tokens": heldout_tokens}}}


RECIPE = Recipe(run="tiny", fit=FitConfig(max_steps=1000, batch_rows=8, row_tokens=512))
"""Reads 4.1 million tokens."""


def test_ten_files_are_too_few() -> None:
    told = advice(index(10, 8_000), RECIPE)

    assert told.startswith("10 documents are too few: fit.max_steps 1,000 reads them 512 times")
    assert "1.0 MB of text would do, or 31 steps, or fine-tuning a pretrained model" in told


def test_nothing_held_out_is_told() -> None:
    assert advice(index(900, 800_000, 0), RECIPE).startswith("nothing is held out")


@pytest.mark.parametrize("tokens", [110_000, 10_000_000])
def test_enough_text_needs_no_word(tokens: int) -> None:
    assert advice(index(900, tokens), RECIPE) == ""
