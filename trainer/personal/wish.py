"""What a user asked for, and the recipe that it comes to. Reads no code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsp_server.errors import CorpusError
from lsp_server.model.embedded import named_model
from trainer.config import Recipe
from trainer.limits import require
from trainer.overrides import overridden
from trainer.recipe import find_recipe, parse_recipe, read_table

RECIPE = "personal"
DEFAULT_MINUTES = 10.0
MIN_FILES = 20
"""Fewer leave two to judge by; no figure would mean anything."""
MIN_BYTES = 30_000
"""About ten thousand tokens: less is learnt by heart within a minute, and helps nobody."""
PERSONAL = "personal"
_MOST_CONTEXT_TOKENS = 1024
_UNUSABLE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One training, as it was asked for."""

    folders: tuple[str, ...]
    name: str
    minutes: float = DEFAULT_MINUTES
    base: str = "embedded"
    """A model's folder, or `embedded`."""
    changes: tuple[str, ...] = ()
    """KEY=VALUE, over the recipe."""

    def __post_init__(self) -> None:
        require("--minutes", self.minutes, 0.05, 60 * 24)
        if not self.folders:
            raise CorpusError("nothing to train on: name the folders of your repositories")

    def sources(self) -> tuple[str, ...]:
        """The folders by their full paths: a run that goes on may be started elsewhere. Raises: CorpusError."""
        paths = [Path(folder).expanduser().resolve() for folder in self.folders]
        for path in paths:
            if not path.is_dir():
                raise CorpusError(f"{path} is no folder: name the folders of your repositories")
        return tuple(dict.fromkeys(map(str, paths)))


def name_for(folders: Sequence[str]) -> str:
    """That of the only repository, made fit for a folder; of several together, `personal`."""
    if len(folders) != 1:
        return PERSONAL
    name = _UNUSABLE.sub("-", Path(folders[0]).expanduser().resolve().name.removesuffix(".git")).strip("-._")[:64]
    return name if name and name != "embedded" else PERSONAL


def recipe_for(wish: Wish) -> Recipe:
    """The personal recipe on the user's folders and their base model. Raises: RecipeError, BundleError, CorpusError."""
    table = overridden(read_table(find_recipe(RECIPE)), [f"run='{wish.name}'", *wish.changes])
    corpus = {"min_documents": MIN_FILES, **table["corpus"], "sources": list(wish.sources())}
    model = {**table["model"], **_shape(wish.base), "pretrained": wish.base}
    tuning = {**table["tuning"], "interpolation": 1.0}  # how much of the base is mixed in is the proof's to find
    table = {**table, "corpus": corpus, "model": model, "prompt": _budgets(wish.base), "tuning": tuning}
    rows = min(table["fit"]["row_tokens"], model["context_tokens"])
    return parse_recipe({**table, "fit": {**table["fit"], "row_tokens": rows}})


def _shape(base: str) -> dict[str, Any]:  # Any: TOML
    return {"context_tokens": min(_prompts(base).context_tokens, _MOST_CONTEXT_TOKENS)}


def _budgets(base: str) -> dict[str, Any]:  # Any: TOML
    """The base's own, so that the tuned model is asked as its base was: no editor has to open it anew."""
    prompts = _prompts(base)
    if prompts.context_tokens > _MOST_CONTEXT_TOKENS:
        return {"suffix_tokens": 192, "new_tokens": 96}
    return {"suffix_tokens": prompts.suffix_tokens, "new_tokens": prompts.new_tokens}


def _prompts(base: str) -> Any:  # Any: the budgets of either kind of model
    from lsp_server.model.opening import open_model  # tokenizers: a mistake in a recipe is told before it is loaded

    return open_model(named_model(base)).prompts
