"""Reading a recipe file strictly: an unknown key or a wrong type is an error that says what was meant.

A recipe that begins with `extends = "OTHER"` is the other one with its own values in their place: tables are merged, a
list replaces a list. OTHER is a file, seen from the recipe's folder, or the name of a shipped recipe.
Owns TOML; the recipe's fields and their limits belong to `trainer.config`.
"""

from __future__ import annotations

import dataclasses
import difflib
import sys
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lsp_server.errors import RecipeError
from trainer.config import Recipe
from trainer.overrides import laid_over

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


SHIPPED = Path(__file__).with_name("recipes")
EXTENDS = "extends"


def find_recipe(name: str) -> Path:
    """The file of a path, or of a shipped recipe's name. Raises: RecipeError."""
    shipped = SHIPPED / f"{name}.toml"
    if Path(name).is_file():
        return Path(name)
    if Path(name).name == name and shipped.is_file():
        return shipped
    raise RecipeError(f"recipe {name!r} is no file: give the path of a TOML file, or one of {_shipped_names()}")


def _shipped_names() -> str:
    return ", ".join(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises: RecipeError for a file that is missing, not TOML, or holds an unknown key or an impossible value.
    """
    table = read_table(path)
    try:
        return parse_recipe(table)
    except RecipeError as error:
        raise RecipeError(f"recipe {path}: {error}") from error


def read_table(path: Path, extending: tuple[Path, ...] = ()) -> dict[str, Any]:  # Any: TOML from a file
    """The recipe's tables, not yet checked, over those of the recipe that it extends; `extending` are those above it.

    Raises: RecipeError for a file that is missing or not TOML, or extends itself or what is no recipe.
    """
    table = read_file(path)
    base = extended(table, path)
    if base is None:
        return table
    chain = (*extending, path.resolve())
    if base.resolve() in chain:
        raise RecipeError(f"recipe {path}: extends leads back to {base}: take one of them out")
    del table[EXTENDS]
    return laid_over(read_table(base, chain), table)


def read_file(path: Path) -> dict[str, Any]:  # Any: TOML from a file
    """The tables as they stand in the file. Raises: RecipeError."""
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {path} cannot be read: {error}; give the path of a TOML file") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"recipe {path} is not TOML: {error}") from error
    return table


def extended(table: Mapping[str, Any], path: Path) -> Path | None:  # Any: TOML from a file
    """The file of the recipe that the one in `path` extends. Raises: RecipeError where there is none of that name."""
    name = table.get(EXTENDS)
    if name is None:
        return None
    if not isinstance(name, str):
        raise RecipeError(f"recipe {path}: extends is {name!r}: give the file or the name of another recipe")
    beside, shipped = path.parent / name, SHIPPED / f"{name}.toml"
    if not beside.is_file() and not shipped.is_file():
        raise RecipeError(f"recipe {path}: extends is {name!r}: give a file beside it, or one of {_shipped_names()}")
    return beside if beside.is_file() else shipped


def parse_recipe(table: Mapping[str, Any]) -> Recipe:  # Any: TOML from a file
    """Build a recipe from TOML's tables. Raises: RecipeError."""
    recipe: Recipe = _build(Recipe, table, "")
    return recipe


def _build(kind: type[Any], table: Mapping[str, Any], prefix: str) -> Any:  # Any: one of the dataclasses above
    hints = typing.get_type_hints(kind)
    for key in table:
        if key not in hints:
            raise RecipeError(f"{prefix}{key} is not a recipe key{_suggest(key, prefix)}")
    values = {key: _convert(hints[key], value, f"{prefix}{key}") for key, value in table.items()}
    missing = [
        entry.name
        for entry in dataclasses.fields(kind)
        if entry.name not in values
        and entry.default is dataclasses.MISSING
        and entry.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise RecipeError(f"{prefix}{missing[0]} is missing: set it in the recipe")
    return kind(**values)


def _suggest(key: str, prefix: str) -> str:
    """Name the nearest right key, first within the table, then anywhere."""
    names = _all_keys(Recipe, "")
    here = [name for name in names if name.startswith(prefix) and "." not in name[len(prefix) :]]
    close = difflib.get_close_matches(prefix + key, here, n=1) or difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    if not close:
        by_last_word = {name.rpartition(".")[2]: name for name in names}
        close = [by_last_word[word] for word in difflib.get_close_matches(key, by_last_word, n=1)]
    return f": did you mean {close[0]}?" if close else f": the keys here are {', '.join(here)}"


def _all_keys(kind: type[Any], prefix: str) -> list[str]:
    names = []
    for name, hint in typing.get_type_hints(kind).items():
        names.append(prefix + name)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            names += _all_keys(hint, f"{prefix}{name}.")
    return names


def _convert(hint: Any, value: Any, name: str) -> object:  # Any: a type annotation, and TOML from a file
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise RecipeError(f"{name} is {value!r}: write it as a table, [{name}]")
        return _build(hint, value, f"{name}.")
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise RecipeError(f"{name} is {value!r}: choose one of {', '.join(map(repr, choices))}")
        return str(value)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise RecipeError(f"{name} is {value!r}: give a list")
        return tuple(_convert(typing.get_args(hint)[0], item, f"{name}[{index}]") for index, item in enumerate(value))
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise RecipeError(f"{name} is {value!r}: give a value of type {hint.__name__}")
    return typing.cast(object, value)
