"""A programmer with a text in mind, who types it and accepts what is offered of it. Knows no server and no model.

Behind each key the editor is asked what it shows. What comes before the next key is seen: an offer that the text goes
on with is accepted whole; of one whose first line fits, that line is; anything else is typed past, and was wrong.
Nothing shorter than `SHORTEST` characters is worth a key.

Typing speed: a median of 190 ms between keys with a long tail, after Dhakal et al. 2018 (CHI, 136 million keystrokes,
mean 239 ms); three times as long before a new line, where people think.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, fields
from typing import Protocol

from trainer.simulate.pieces import Piece

SHORTEST = 3
MEDIAN_GAP_MS = 190.0
GAP_SPREAD = 0.55
NEW_LINE_FACTOR = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What an editor shows at its cursor, and how long after the key."""

    text: str
    latency_ms: float


class Editor(Protocol):
    """One document with a cursor."""

    async def open(self, piece: Piece) -> None:
        """Show the piece's file without the piece, with the cursor where it begins."""
        ...

    async def insert(self, text: str) -> None:
        """At the cursor, by a key or by an accepted offer."""
        ...

    async def shown(self) -> Shown:
        """What stands behind the cursor in grey; perhaps nothing."""
        ...


@dataclass(slots=True)
class Tally:
    """Counts of one or many pieces."""

    characters: int = 0
    """Of the text, indentation included."""
    plain_keys: int = 0
    """That it takes without suggestions: editors indent by themselves."""
    keys: int = 0
    """That it took, those that accept included."""
    accepted_characters: int = 0
    num_accepts: int = 0
    num_offers: int = 0
    """That were seen; the rest of one that is typed through is the same offer."""
    num_right: int = 0
    """Accepted, whole or their first line."""
    num_late: int = 0
    """Came behind the next key."""
    latencies_ms: list[float] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        for entry in fields(self):
            setattr(self, entry.name, getattr(self, entry.name) + getattr(other, entry.name))

    @property
    def saved(self) -> float:
        """Share of the keys that need not be pressed."""
        return 1 - self.keys / self.plain_keys if self.plain_keys else 0.0

    @property
    def completed(self) -> float:
        """Share of the characters that were accepted: what JetBrains calls the ratio of completed code."""
        return self.accepted_characters / self.characters if self.characters else 0.0

    @property
    def num_wrong(self) -> int:
        return self.num_offers - self.num_right


async def write(editor: Editor, piece: Piece, seed: int) -> Tally:
    """Write a piece in an editor, from the first key to the last character."""
    random_gap = random.Random(f"{seed} {piece.path} {len(piece.before)}")
    tally = Tally(characters=len(piece.target), plain_keys=len(piece.keystrokes()))
    await editor.open(piece)
    rest, seen = piece.target, ""
    keys = _Keys(piece)
    while rest:
        shown = await editor.shown()
        if shown.text:
            tally.latencies_ms.append(shown.latency_ms)
        if shown.latency_ms > _gap_ms(random_gap, rest):
            tally.num_late += bool(shown.text)
            shown = Shown(text="", latency_ms=0.0)
        offer = shown.text
        if len(offer.strip()) >= SHORTEST and offer != seen:
            tally.num_offers += 1
        accepted = _fitting(offer, rest)
        if accepted:
            tally.num_right += 1
            tally.num_accepts += 1
            tally.accepted_characters += len(accepted)
        added = accepted or keys.next(len(rest))
        tally.keys += 1
        await editor.insert(added)
        rest = rest[len(added) :]
        seen = offer[len(added) :] if offer.startswith(added) else ""
    return tally


class _Keys:
    """The keys of a piece, wherever an accepted offer has left off."""

    def __init__(self, piece: Piece) -> None:
        self._ends: dict[int, str] = {}
        left = len(piece.target)
        for key in piece.keystrokes():
            for skipped in range(len(key)):  # an offer may end within a line's indentation
                self._ends[left - skipped] = key[skipped:]
            left -= len(key)

    def next(self, num_left: int) -> str:
        return self._ends[num_left]


def _fitting(offer: str, rest: str) -> str:
    """As much of an offer as is accepted: all, its first line, or nothing."""
    if len(offer.strip()) < SHORTEST:
        return ""
    if rest.startswith(offer):
        return offer
    line = offer.split("\n", 1)[0]
    ends_there = rest.startswith(line) and rest[len(line) :][:1] in ("", "\n")
    return line if "\n" in offer and len(line.strip()) >= SHORTEST and ends_there else ""


def _gap_ms(source: random.Random, rest: str) -> float:
    """Until the next key."""
    median = MEDIAN_GAP_MS * (NEW_LINE_FACTOR if rest.startswith("\n") else 1.0)
    return median * math.exp(source.gauss(0.0, GAP_SPREAD))
