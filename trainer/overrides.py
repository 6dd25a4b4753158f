"""A recipe's tables with single values changed (`--set KEY=VALUE`) or with another's laid over. Knows no recipe key."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from lsp_server.errors import RecipeError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def overridden(table: Mapping[str, Any], changes: Iterable[str]) -> dict[str, Any]:  # Any: TOML
    """The recipe with each KEY=VALUE set; KEY is dotted, VALUE is TOML, or text as it stands.

    Raises: RecipeError when a change is not KEY=VALUE or leads through a value.
    """
    result = _copy(table)
    for change in changes:
        key, equals, text = change.partition("=")
        path = [part.strip() for part in key.split(".")]
        if not equals or not all(path):
            raise RecipeError(f"--set {change!r} is not KEY=VALUE: write it like --set fit.max_steps=100")
        _set(result, path, _value(text.strip()), change)
    return result


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:  # Any: TOML
    """`below` with the values of `above` in their place; tables are merged, lists are not."""
    result = _copy(below)
    for key, value in above.items():
        under = result.get(key)
        if isinstance(value, Mapping) and isinstance(under, Mapping):
            value = laid_over(under, value)
        result[key] = value
    return result


def _copy(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in table.items()}


def _set(table: dict[str, Any], path: list[str], value: object, change: str) -> None:
    for number, part in enumerate(path[:-1], start=1):
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"--set {change!r}: {'.'.join(path[:number])} is a value, not a table: set it by itself")
        table = inner
    table[path[-1]] = value


def _value(text: str) -> object:
    try:
        parsed: object = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a name or a path needs no quotes
    return parsed
