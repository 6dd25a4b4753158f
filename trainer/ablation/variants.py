"""What is varied: names and changes of a recipe. Trains nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lsp_server.errors import RecipeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The recipe with something changed."""

    name: str
    """Also its folder's."""
    changes: tuple[str, ...] = ()
    """KEY=VALUE, as `--set` takes them."""
    note: str = ""
    """What a reader of its figures must know."""


USUAL = (
    Variant(name="as-it-is"),
    Variant(
        name="no-fim",
        changes=("fit.fim_rate=0.0",),
        note="all are asked as an editor asks, with the suffix first, which this one never saw",
    ),
    Variant(
        name="no-dedup",
        changes=("corpus.near_duplicates=0.0",),
        note="it may have been trained on near duplicates of what judges it",
    ),
    Variant(name="half-data", changes=("packing.train_share=0.5", "evaluate.memorised=0")),
)


def chosen_variants(names: str, also: Iterable[str]) -> list[Variant]:
    """The usual ones of these names (comma-separated; empty: all), then one for each KEY=VALUE of `also`.

    Raises: RecipeError for a name that there is not, or a change that is none.
    """
    known = {variant.name: variant for variant in USUAL}
    wanted = [name.strip() for name in names.split(",") if name.strip()] or list(known)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise RecipeError(f"--variants has {', '.join(unknown)}: choose of {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(wanted)] + [_of_change(change) for change in dict.fromkeys(also)]


def _of_change(change: str) -> Variant:
    key, equals, value = change.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--also {change!r} is not KEY=VALUE: write it like --also fit.optimizer=adamw")
    return Variant(name=_folder_name(f"{key.strip()}={value.strip()}"), changes=(change,))


def _folder_name(text: str) -> str:
    return "".join(character if character.isalnum() or character in "._=-" else "-" for character in text)


def equal_budget(minutes: float | None, tokens: int | None) -> Sequence[str]:
    """The changes that let every variant end alike; none where the recipe's own end is meant. Raises: RecipeError."""
    if minutes is not None and tokens is not None:
        raise RecipeError("--minutes and --tokens are both given: let the variants be equal in one of the two")
    if (minutes is not None and minutes <= 0) or (tokens is not None and tokens < 1):
        raise RecipeError("--minutes and --tokens count what each variant is given: choose more than 0")
    if minutes is not None:
        return [f"fit.minutes={float(minutes)}", "fit.max_tokens=0", "fit.max_steps=0"]
    if tokens is not None:
        return [f"fit.max_tokens={tokens}", "fit.minutes=0", "fit.max_steps=0"]
    return []
