"""A recipe that is written is read back as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from trainer.config import CorpusConfig, FitConfig, ModelConfig, PromptConfig, Recipe
from trainer.recipe import SHIPPED, load_recipe
from trainer.recipe_file import to_toml


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_comes_back(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    (tmp_path / "again.toml").write_text(to_toml(recipe, "two\nlines"), encoding="utf-8")

    assert load_recipe(tmp_path / "again.toml") == recipe


def test_awkward_values_come_back(tmp_path: Path) -> None:
    recipe = Recipe(
        run="a.b-c",
        corpus=CorpusConfig(sources=('with "quotes"', "back\\slash", "ünï")),
        model=ModelConfig(dropout=0.1, context_tokens=32),
        prompt=PromptConfig(suffix_tokens=4, new_tokens=4),
        fit=replace(FitConfig(max_steps=3), learning_rate=1e-9, row_tokens=32, trackers=(), compile=True),
    )
    (tmp_path / "again.toml").write_text(to_toml(recipe), encoding="utf-8")

    assert load_recipe(tmp_path / "again.toml") == recipe
