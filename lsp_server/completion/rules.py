"""Which rules of the pipeline are at work: all of them for users, fewer where the worth of one is measured.

No setting: nobody needs the other value. Knows none of the rules.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Each can be switched off by itself."""

    healing: bool = True
    """The last piece before the cursor is asked for again, so that a word may go on."""
    memory: bool = True
    """The document's other text and the workspace's files have a say."""
    confidence: bool = True
    """An automatic suggestion ends before what the model is not sure of."""
    not_in_words: bool = True
    """Nothing is offered between two letters of a name."""
    lines_by_syntax: bool = True
    """Comments and strings get one line."""
    block_end: bool = True
    """A suggestion ends with the block it is in."""
    repetition: bool = True
    """Loops of the model, and what repeats the lines above, are cut."""
    lines_below: bool = True
    """What the document says below the cursor is left out."""
    line_suffix: bool = True
    """What stands right of the cursor is left out."""
    brackets: bool = True
    """Brackets that the line opened are closed as often as it needs; a suggestion without end is cut."""
    syntax: bool = True
    """Lines that add a syntax error are left out, where there is a parser for the language."""

    def without(self, name: str) -> Rules:
        return replace(self, **{name: False})


ALL = Rules()


def rule_names() -> tuple[str, ...]:
    return tuple(entry.name for entry in fields(Rules))
