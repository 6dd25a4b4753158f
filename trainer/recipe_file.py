"""Writing a recipe as TOML that `trainer.recipe` reads back to the same recipe. Only what differs from the defaults."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from trainer.config import Recipe


def to_toml(recipe: Recipe, comment: str = "") -> str:
    """The recipe's text, below `comment` line by line."""
    head = [f"# {line}".rstrip() for line in comment.splitlines()]
    plain: list[str] = []
    tables: list[str] = []
    for entry in dataclasses.fields(recipe):
        value = getattr(recipe, entry.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            lines = _changed(value)
            tables += ["", f"[{entry.name}]", *lines] if lines else []
        elif value != entry.default:
            plain.append(f"{entry.name} = {_literal(value)}")
    return "\n".join([*head, *plain, *tables]) + "\n"


def _changed(table: Any) -> list[str]:  # Any: one of the recipe's dataclasses
    return [
        f"{entry.name} = {_literal(getattr(table, entry.name))}"
        for entry in dataclasses.fields(table)
        if getattr(table, entry.name) != entry.default
    ]


def _literal(value: object) -> str:
    """TOML's strings, numbers and lists are written as JSON's."""
    return json.dumps(list(value) if isinstance(value, tuple) else value)
