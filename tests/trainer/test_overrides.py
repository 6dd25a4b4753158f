"""Single values of a recipe changed on the command line."""

from __future__ import annotations

from typing import Any

import pytest

from lsp_server.errors import RecipeError
from trainer.overrides import laid_over, overridden


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("seed=3", {"seed": 3}),
        ("fit.minutes = 0.5", {"fit": {"minutes": 0.5}}),
        ("corpus.sources=['a', 'b']", {"corpus": {"sources": ["a", "b"]}}),
        ("run=my-run", {"run": "my-run"}),
        ("model.pretrained=/models/a=b", {"model": {"pretrained": "/models/a=b"}}),
        ("fit.compile=true", {"fit": {"compile": True}}),
        ("run=", {"run": ""}),
    ],
)
def test_a_value_is_toml_or_text_as_it_stands(change: str, expected: dict[str, Any]) -> None:
    assert overridden({}, [change]) == expected


def test_the_last_change_wins_and_the_table_stays_as_it_was() -> None:
    table = {"fit": {"max_steps": 1, "minutes": 2}}
    assert overridden(table, ["fit.max_steps=5", "fit.max_steps=6"]) == {"fit": {"max_steps": 6, "minutes": 2}}
    assert table == {"fit": {"max_steps": 1, "minutes": 2}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("fit.max_steps", "is not KEY=VALUE: write it like --set fit.max_steps=100"),
        ("=3", "is not KEY=VALUE"),
        ("fit..x=3", "is not KEY=VALUE"),
        ("run.name=3", "run is a value, not a table"),
    ],
)
def test_a_change_that_cannot_be_made_is_named(change: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        overridden({"run": "a"}, [change])
    assert message in str(caught.value)
    assert repr(change) in str(caught.value)


def test_tables_are_laid_over_each_other_and_stay_as_they_were() -> None:
    below, above = {"a": {"x": 1, "y": [1, 2]}, "b": 1}, {"a": {"y": [3], "z": {"w": 1}}, "c": {"v": 2}}
    assert laid_over(below, above) == {"a": {"x": 1, "y": [3], "z": {"w": 1}}, "b": 1, "c": {"v": 2}}
    assert laid_over({"a": 1}, {"a": {"x": 1}}) == {"a": {"x": 1}}
    assert (below["a"], above["a"]) == ({"x": 1, "y": [1, 2]}, {"y": [3], "z": {"w": 1}})
