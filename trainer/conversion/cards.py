"""What a card says of the form that the weights are in, changed when a bundle is written in another. Opens no model."""

from __future__ import annotations

LOADABLE = "library_name: transformers\n"
"""In a card's head: the Hub offers transformers' code for such a model."""
_NOTE_HEAD = "\n## Weights\n"
_NOTE = """
Every matrix is in int8, with a scale for each output; the engine dequantises them when it loads.{loss}
transformers cannot read them: `parrotlet-train export --model FOLDER --to hf --out OTHER` writes a folder that it can.
"""


def card_of_int8(card: str, loss: float | None) -> str:
    """The card of a bundle whose weights were just quantised; `loss` is the share of bits per byte that it cost."""
    measured = "" if loss is None else f" That costs {loss:+.2%} bits per byte, measured when they were made."
    plain = card.replace(LOADABLE, "", 1).replace("weights in float16", "weights in int8", 1).rstrip("\n")
    return f"{plain}\n{_NOTE_HEAD}{_NOTE.format(loss=measured)}"


def card_of_full(card: str, dtype: str) -> str:
    """The card of the same model where transformers reads its weights, which are in `dtype` now."""
    plain, is_int8, _ = card.partition(_NOTE_HEAD)
    if not is_int8:
        return card
    if plain.startswith("---\n") and LOADABLE not in plain:
        plain = plain.replace("\n---\n", f"\n{LOADABLE}---\n", 1)
    source = "They were dequantised from int8, and are no better than those were."
    return f"{plain.replace('weights in int8', f'weights in {dtype}', 1)}{_NOTE_HEAD}\n{source}\n"
