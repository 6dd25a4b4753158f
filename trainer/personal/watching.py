"""`--watch`: train again when enough of the folders has changed. Each training starts from the base again.

A model that went on from itself would have been trained on what is held out by now, and its proof would prove nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from trainer.config import Recipe
from trainer.corpus.build import resolve_sources
from trainer.personal.wish import Wish

LOOK_SECONDS = 300.0
ENOUGH_SHARE = 0.05
"""Of the bytes of code, new or changed since the last training."""
ENOUGH_FILES = 30
Versions = dict[str, tuple[str, int]]
"""Each file's version and size, by its source and path."""


def versions(recipe: Recipe) -> Versions:
    """Of all files that would be looked at, without opening one."""
    return {
        f"{source.root}/{file.path}": (file.version, file.num_bytes)
        for source in resolve_sources(recipe.corpus)
        for file in source.list_files()
        if file.path.endswith(recipe.corpus.extensions)
    }


def has_changed_enough(before: Versions, now: Versions) -> bool:
    """Whether what is new or different is worth a training."""
    changed = [name for name, entry in now.items() if before.get(name) != entry]
    num_bytes = sum(now[name][1] for name in changed)
    return len(changed) >= ENOUGH_FILES or num_bytes > ENOUGH_SHARE * sum(size for _, size in now.values())


def watch(
    wish: Wish,
    recipe: Recipe,
    train: Callable[[Wish, Recipe], None],
    *,
    before: Versions | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Train when enough has changed since `before`, or at once where that is None; until somebody ends it."""
    seen = before
    while True:
        now = versions(recipe)
        if seen is None or has_changed_enough(seen, now):
            train(wish, recipe)
            seen = now
        sleep(LOOK_SECONDS)
