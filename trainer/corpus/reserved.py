"""Repositories that judge the model, and so must never teach it. Nothing here can be configured.

A model that has seen its exam reports figures nobody can trust; therefore these stay out of every corpus, whatever a
recipe says, and the manifest counts what was kept out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

RESERVED_NAMES = {
    "healthchecks": "held-out application repository",
    "thefuck": "held-out application repository",
    "ml-from-scratch": "held-out application repository",
    "mlfromscratch": "the package of ML-From-Scratch",
    "cpgames": "the package of CharlesPikachu/Games",
    "parglare": "held-out application repository",
    "pydis-bot": "python-discord/bot",
    "python-discord-bot": "python-discord/bot",
    "poliastro": "held-out application repository",
    "instaloader": "held-out application repository",
    "thonny": "held-out application repository",
    "cartography": "held-out application repository",
    "platformio": "held-out application repository",
    "platformio-core": "held-out application repository",
    "human-eval": "benchmark of function completion",
    "humaneval": "benchmark of function completion",
    "mbpp": "benchmark of function completion",
}
"""Names of distributions, repositories or folders, normalised, with the reason."""

RESERVED_REPOSITORIES = {
    "charlespikachu/games": "held-out application repository",
    "python-discord/bot": "held-out application repository",
    "keon/algorithms": "held-out application repository",
}
"""Repositories whose own name is too common to reserve alone, as owner/name."""

RESERVED_MARKERS = ("cpgames/core/games/", "bot/exts/moderation/infraction/", "algorithms/arrays/delete_nth.py")
"""Paths that only those repositories hold: they betray a copy that has lost its owner's name."""


def is_reserved_source(name: str, repository: str = "") -> bool:
    """Whether a whole source is reserved, by its name or by its repository's owner/name."""
    return normalise(name) in RESERVED_NAMES or repository.lower() in RESERVED_REPOSITORIES


def reserved_roots(paths: Iterable[str]) -> tuple[str, ...]:
    """The folders within a source, `""` for all of it, that hold a copy of a reserved repository; paths use slashes."""
    roots = set()
    for path in paths:
        for marker in RESERVED_MARKERS:
            before, found, _ = f"/{path}".partition(f"/{marker}")
            if found:
                roots.add(before[1:] + "/" if before else "")
    return tuple(sorted(roots))


def is_reserved_path(path: str, roots: tuple[str, ...]) -> bool:
    """Whether a file lies under a reserved root or below a folder of a reserved name."""
    return any(path.startswith(root) for root in roots) or any(
        normalise(part) in RESERVED_NAMES for part in path.split("/")[:-1]
    )


def normalise(name: str) -> str:
    """`ML_From.Scratch` -> `ml-from-scratch`, as package indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()
