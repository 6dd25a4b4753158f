"""Which recipe a run follows: the one that is named, or the one it was started with, with single values changed.

The run's folder remembers it, changes included, so that the next stage goes on under the same.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lsp_server.errors import RecipeError
from trainer.config import Recipe
from trainer.overrides import overridden
from trainer.recipe import find_recipe, load_recipe, parse_recipe, read_table
from trainer.recipe_file import to_toml

REMEMBERED = "recipe.toml"


def recipe_of_run(
    name: str | None, run_dir: Path, changes: Sequence[str] = (), *, sources: Sequence[str] = ()
) -> Recipe:
    """Read, change, check and remember the recipe; `sources` replace the corpus's.

    Raises: RecipeError when there is none, or it or a change is wrong; nothing is remembered then.
    """
    remembered = run_dir / REMEMBERED
    if name is None and not remembered.is_file():
        raise RecipeError(f"{run_dir} has no {REMEMBERED} yet: name one with --recipe")
    path = find_recipe(name) if name is not None else remembered
    if not changes and not sources:
        recipe, content = load_recipe(path), path.read_bytes()
    else:
        table = overridden(read_table(path), changes)
        if sources:
            table["corpus"] = {**table.get("corpus", {}), "sources": list(sources), "heldout_sources": []}
        recipe = parse_recipe(table)
        content = to_toml(recipe).encode()
    if changes or sources or path.resolve() != remembered.resolve():
        run_dir.mkdir(parents=True, exist_ok=True)
        partial = remembered.with_suffix(f".{os.getpid()}.partial")  # of several processes, each writes the same
        partial.write_bytes(content)
        partial.replace(remembered)
    return recipe
