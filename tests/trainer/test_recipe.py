"""Recipes: what loads, and what each refusal says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lsp_server.errors import RecipeError
from trainer import config
from trainer.recipe import find_recipe, load_recipe, parse_recipe
from trainer.run_recipe import recipe_of_run

RECIPES = sorted((Path(config.__file__).parent / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipe_loads(path: Path) -> None:
    assert load_recipe(path).run


@pytest.mark.parametrize(
    ("table", "suggestion"),
    [
        ({"fit": {"learningrate": 0.1}}, "fit.learningrate is not a recipe key: did you mean fit.learning_rate?"),
        ({"modle": {}}, "modle is not a recipe key: did you mean model?"),
        ({"vocab_size": 4096}, "did you mean tokenizer.vocab_size?"),
        ({"corpus": {"vocab_size": 4096}}, "did you mean tokenizer.vocab_size?"),
        ({"corpus": {"license": "any"}}, "did you mean corpus.licences?"),
        ({"model": {"qqqq": 1}}, "the keys here are model.num_layers"),
    ],
)
def test_unknown_key_names_the_nearest_right_one(table: dict[str, Any], suggestion: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe({"run": "a", **table})
    assert suggestion in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"fit": {"max_steps": "many"}}, "fit.max_steps is 'many': give a value of type int"),
        ({"fit": {"max_steps": 5, "batch_rows": True}}, "fit.batch_rows is True: give a value of type int"),
        ({"fit": {"max_steps": 5, "optimizer": "sgd"}}, "choose one of 'adamw', 'muon'"),
        ({"fit": {"max_steps": -1}}, "fit.max_steps is -1: choose a value of at least 0"),
        ({"fit": {"max_steps": 0}}, "fit.max_steps, fit.max_tokens and fit.minutes are all 0"),
        ({"fit": {"max_steps": 5, "betas": [0.9]}}, "fit.betas is [0.9]: give two values"),
        ({"fit": {"max_steps": 5, "learning_rate": float("nan")}}, "fit.learning_rate is nan"),
        ({"fit": {"max_steps": 5, "warmup_share": 0.6, "decay_share": 0.6}}, "add up to 1.2"),
        ({"model": {"width": 100, "num_heads": 8}}, "model.width is 100, which model.num_heads 8 does not divide"),
        ({"prompt": {"suffix_tokens": 900}}, "leaves no room for the prefix"),
        ({"fit": {"max_steps": 5, "row_tokens": 4096}}, "more than model.context_tokens 1024"),
        ({"tokenizer": {"vocab_size": 1000}}, "choose a multiple of 64, such as 1024"),
        ({"tokenizer": {"vocab_size": 65600}, "packing": {"dtype": "uint16"}}, 'choose "auto" or "uint32"'),
        ({"corpus": {"max_file_bytes": 20_000_000}}, "choose a value from 1 to 10,000,000"),
        ({"corpus": {"sources": "stdlib"}}, "corpus.sources is 'stdlib': give a list"),
        ({"corpus": {"sources": [1]}}, "corpus.sources[0] is 1: give a value of type str"),
        ({"corpus": {"extensions": ["py"]}}, 'write it with its dot, ".py"'),
        ({"corpus": 3}, "corpus is 3: write it as a table, [corpus]"),
        ({"run": "../up"}, "run is '../up': name it with letters"),
    ],
)
def test_impossible_value_is_named_with_the_remedy(table: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe({"run": "a", **table})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_run_is_named() -> None:
    with pytest.raises(RecipeError, match="run is missing"):
        parse_recipe({})


def test_whole_numbers_serve_as_fractions() -> None:
    assert parse_recipe({"run": "a", "corpus": {"tests_share": 1}}).corpus.tests_share == 1.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"run = ", "is not TOML"),
        (b"\xff\xfe", "cannot be read"),
        (b"rnu = 'a'", "did you mean run"),
    ],
)
def test_unreadable_recipe_is_one_line_with_its_path(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "recipe.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(path)
    assert str(path) in str(caught.value)


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_recipe_that_extends_another_says_only_what_differs(tmp_path: Path) -> None:
    written(tmp_path, "low.toml", 'run = "low"\nseed = 4\n[corpus]\nsources = ["a", "b"]\ntests_share = 0.1\n')
    written(tmp_path, "middle.toml", 'extends = "low.toml"\nrun = "middle"\n[fit]\nmax_steps = 7\n')
    path = written(tmp_path, "high.toml", 'extends = "middle.toml"\nrun = "high"\n[corpus]\nsources = ["c"]\n')
    recipe = load_recipe(path)
    assert (recipe.run, recipe.seed, recipe.fit.max_steps) == ("high", 4, 7)
    assert recipe.corpus.sources == ("c",), "a list replaces a list"
    assert recipe.corpus.tests_share == 0.1, "tables are merged"


def test_a_shipped_recipe_is_extended_by_its_name_wherever_the_file_is(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, "mine.toml", 'extends = "debug"\nrun = "mine"\n'))
    assert recipe == replace(load_recipe(find_recipe("debug")), run="mine")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('extends = "nowhere"', "extends is 'nowhere': give a file beside it, or one of ablation, base, "),
        ("extends = 3", "extends is 3: give the file or the name of another recipe"),
        ('extends = "mine.toml"', "take one of them out"),
        ('extends = "loop.toml"', "take one of them out"),
        ('extends = "debug"\n[fit]\nlearningrate = 1', "did you mean fit.learning_rate"),
        ('extends = "debug"\ncorpus = 3', "corpus is 3: write it as a table"),
    ],
)
def test_a_recipe_that_cannot_extend_is_one_line_with_its_path(tmp_path: Path, content: str, message: str) -> None:
    written(tmp_path, "loop.toml", 'extends = "mine.toml"\n')
    path = written(tmp_path, "mine.toml", f"{content}\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value) or "loop.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_run_remembers_what_its_recipe_extends_spelt_out(tmp_path: Path) -> None:
    written(tmp_path, "low.toml", 'run = "low"\n[fit]\nmax_steps = 7\n')
    path = written(tmp_path, "high.toml", 'extends = "low.toml"\nrun = "high"\n')
    recipe = recipe_of_run(str(path), tmp_path / "run")
    (tmp_path / "low.toml").unlink()
    assert recipe_of_run(None, tmp_path / "run") == recipe
    assert recipe.fit.max_steps == 7


def test_digest_changes_with_any_value() -> None:
    first = parse_recipe({"run": "a"})
    assert config.digest(first) == config.digest(parse_recipe({"run": "a"}))
    assert config.digest(first) != config.digest(parse_recipe({"run": "a", "seed": 1}))
