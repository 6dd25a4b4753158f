"""The other processes of `accelerate launch`: the first one prepares and proves, all of them train together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from lsp_server.library.shelf import Shelf
from trainer.config import Recipe
from trainer.fit.loop import fit
from trainer.personal.training import UNFINISHED, read_minutes
from trainer.personal.wish import Wish

_LOOK_SECONDS = 0.5


def join(wish: Wish, recipe: Recipe, since: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait until the first process has packed the text, and train with it; `since` is when this process began.

    On several machines the data folder must be one that all of them see.
    """
    folder = Shelf(name=wish.name).work
    minutes = None
    while minutes is None:
        sleep(_LOOK_SECONDS)
        minutes = read_minutes(folder / UNFINISHED, since)
    fit(replace(recipe, fit=replace(recipe.fit, minutes=minutes)), folder)
