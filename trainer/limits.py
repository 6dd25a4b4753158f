"""The one check that every number of a recipe goes through."""

from __future__ import annotations

from lsp_server.errors import RecipeError


def require(name: str, value: float, low: float, high: float | None) -> None:
    """Raises: RecipeError when `value` lies outside; `high` None is no upper limit."""
    if value >= low and (high is None or value <= high):
        return
    span = f"from {low:,} to {high:,}" if high is not None else f"of at least {low:,}"
    raise RecipeError(f"{name} is {value:,}: choose a value {span}")
