"""Which recipe a run follows: the one that is named, or the one it was started with, with single values changed.

The run's folder remembers it, with changes and with what it extends spelt out, so that the next stage goes on under
the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lsp_server.errors import RecipeError
from trainer.config import Recipe
from trainer.folders import write_whole
from trainer.overrides import overridden
from trainer.recipe import EXTENDS, find_recipe, load_recipe, parse_recipe, read_file, read_table
from trainer.recipe_file import to_toml

REMEMBERED = "recipe.toml"


def recipe_of_run(
    name: str | None, run_dir: Path, changes: Sequence[str] = (), *, sources: Sequence[str] = ()
) -> Recipe:
    """Read, change, check and remember the recipe; `sources` replace the corpus's.

    Raises: RecipeError when there is none, or it or a change is wrong; nothing is remembered then.
    """
    recipe, path = _read(name, run_dir, changes, sources)
    remembered = run_dir / REMEMBERED
    if changes or sources or path.resolve() != remembered.resolve():
        is_whole = not changes and not sources and EXTENDS not in read_file(path)
        write_whole(remembered, path.read_text(encoding="utf-8") if is_whole else to_toml(recipe))
    return recipe


def changed_recipe(name: str | None, run_dir: Path, changes: Sequence[str] = ()) -> Recipe:
    """The same without remembering it. Raises: RecipeError."""
    return _read(name, run_dir, changes, ())[0]


def _read(name: str | None, run_dir: Path, changes: Sequence[str], sources: Sequence[str]) -> tuple[Recipe, Path]:
    """The recipe, and the file it comes from."""
    remembered = run_dir / REMEMBERED
    if name is None and not remembered.is_file():
        raise RecipeError(f"{run_dir} has no {REMEMBERED} yet: name one with --recipe")
    path = find_recipe(name) if name is not None else remembered
    if not changes and not sources:
        return load_recipe(path), path
    table = overridden(read_table(path), changes)
    if sources:
        table["corpus"] = {**table.get("corpus", {}), "sources": list(sources), "heldout_sources": []}
    return parse_recipe(table), path
