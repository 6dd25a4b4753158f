"""One suggestion that was offered, and what became of it, in numbers: no text of anybody's code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Outcome(str, Enum):
    """How an offer ended."""

    IGNORED = "ignored"
    """Something else was typed, or the document closed; a part of it may have been typed by hand."""
    TYPED = "typed"
    """All of it, by hand."""
    PART = "part"
    """A word or a line of it was accepted, not all."""
    WHOLE = "whole"
    """All of it stands in the document, and at least its end was accepted."""


@dataclass(slots=True, kw_only=True)
class Offer:
    """Mutable until it ends; `kept` values come later still."""

    key: int
    """Names it on this machine."""
    offered_at: float
    """Unix time."""
    client: str
    language: str
    automatic: bool
    from_cache: bool
    """Answered without the model."""
    latency_ms: float
    """From the request to the answer, the server's pause included."""
    characters: int
    """Of the first candidate."""
    lines: int
    outcome: Outcome = Outcome.IGNORED
    accepted_characters: int = 0
    num_accepts: int = 0
    """One for all of it at once, one for each word or line."""
    typed_characters: int = 0
    kept_30_s: int | None = None
    """Of the accepted characters, how many still stood there half a minute later; None where nobody looked."""
    kept_5_min: int | None = None
