"""The recipe chooses the rows, and is told when there is too little text for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lsp_server.errors import CorpusError, RecipeError
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.config import FitConfig, ModelConfig, PackingConfig, PromptConfig, Recipe
from trainer.dataset import DocumentRows, PackedRows, StreamedRows, open_rows
from trainer.dataset_config import DatasetConfig
from trainer.packing import pack
from trainer.recipe import parse_recipe

MakeCorpus = Callable[..., Path]


@pytest.fixture
def run_dir(make_corpus: MakeCorpus, texts: list[str], code_tokenizer: CodeTokenizer, tmp_path: Path) -> Path:
    (tmp_path / "tokenizer").mkdir()
    path = tmp_path / "tokenizer" / "tokenizer.json"
    code_tokenizer.save(path)
    pack(make_corpus(texts), path, tmp_path / "packed", PackingConfig())
    return tmp_path


def recipe(row_tokens: int = 32, batch_rows: int = 4, **dataset: Any) -> Recipe:
    return Recipe(
        run="tiny",
        model=ModelConfig(num_layers=1, num_heads=1, width=8, context_tokens=1024),
        prompt=PromptConfig(suffix_tokens=8, new_tokens=8),
        fit=FitConfig(max_steps=1, row_tokens=row_tokens, batch_rows=batch_rows),
        dataset=DatasetConfig(**dataset),
    )


@pytest.mark.parametrize(
    ("dataset", "kind"),
    [
        ({}, PackedRows),
        ({"mode": "strided", "stride": 10}, DocumentRows),
        ({"mode": "chunks"}, DocumentRows),
        ({"mode": "stream", "block_rows": 4}, StreamedRows),
        ({"document_mask": True}, PackedRows),
    ],
)
def test_each_mode_gives_rows_of_the_length_asked_for(
    run_dir: Path, code_tokenizer: CodeTokenizer, dataset: dict[str, Any], kind: type
) -> None:
    rows = open_rows(recipe(**dataset), run_dir, code_tokenizer)

    row = next(rows.read(0, 1)) if isinstance(rows, StreamedRows) else rows[0]  # type: ignore[index]
    assert type(rows) is kind
    assert {tensor.shape for tensor in row.values()} == {(32,)}
    assert ("segments" in row) == bool(dataset.get("document_mask"))


def test_a_stride_of_0_does_not_overlap(run_dir: Path, code_tokenizer: CodeTokenizer) -> None:
    rows = open_rows(recipe(mode="strided"), run_dir, code_tokenizer)

    assert isinstance(rows, DocumentRows)
    assert rows.stride == 32


@pytest.mark.parametrize("dataset", [{}, {"mode": "strided"}, {"mode": "chunks"}])
def test_less_text_than_one_step_reads_is_refused(
    run_dir: Path, code_tokenizer: CodeTokenizer, dataset: dict[str, Any]
) -> None:
    with pytest.raises(CorpusError, match=r"its 40 documents give [\d,]+ tokens, and one step reads 32,000"):
        open_rows(recipe(batch_rows=1000, **dataset), run_dir, code_tokenizer)


def test_a_corpus_that_changed_since_it_was_packed_is_refused(
    run_dir: Path, make_corpus: MakeCorpus, code_tokenizer: CodeTokenizer
) -> None:
    make_corpus(["other = 1\n"])

    with pytest.raises(CorpusError, match="has changed since"):
        open_rows(recipe(), run_dir, code_tokenizer)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dataset": {"mode": "windows"}}, "dataset.mode is 'windows': choose one of 'packed', 'strided'"),
        ({"dataset": {"stride": 5}}, 'dataset.stride is 5, which "packed" rows do not have: set mode "strided"'),
        ({"dataset": {"mode": "strided", "stride": -1}}, "dataset.stride is -1: choose a value of at least 0"),
        ({"dataset": {"mode": "strided", "stride": 600}}, "dataset.stride is 600, more than fit.row_tokens 512"),
        ({"dataset": {"block_rows": 0}}, "dataset.block_rows is 0: choose a value from 1 to 1,000,000"),
        ({"dataset": {"character_spans": 1.5}}, "dataset.character_spans is 1.5: choose a value from 0.0 to 1.0"),
        ({"dataset": {"mask": True}}, "dataset.mask"),
        ({"packing": {"processes": -1}}, "packing.processes is -1"),
    ],
)
def test_a_recipe_that_cannot_be_is_told_with_the_key(values: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_recipe({"run": "tiny", **values})
