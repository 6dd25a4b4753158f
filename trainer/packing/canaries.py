"""Made-up secrets in the training text, by which one measures afterwards how much a model remembers. They open nothing.

Source: Carlini et al. 2019, "The Secret Sharer" (arXiv 1802.08232).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SECRET_CHARACTERS = 24
"""Hexadecimal: 96 bits, so that nobody guesses one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One secret, and the text around it."""

    prefix: str
    secret: str
    copies: int

    @property
    def text(self) -> str:
        """The document as it is planted."""
        return f'{self.prefix}{self.secret}"\n'


def canaries(count: int, copies: Sequence[int] = (1,)) -> list[Canary]:
    """The first `count` of a fixed row of canaries; they stand as often as `copies` says, in turn."""
    return [
        Canary(
            prefix=f'"""Access to service {number}."""\n\nSERVICE_{number}_TOKEN = "',
            secret=secret_of(f"canary {number}"),
            copies=copies[number % len(copies)],
        )
        for number in range(count)
    ]


def secret_of(name: str) -> str:
    """A secret that the name alone decides."""
    return hashlib.sha256(name.encode()).hexdigest()[:SECRET_CHARACTERS]


def planted_texts(count: int, copies: Sequence[int] = (1,)) -> Iterator[str]:
    """Every copy of the first `count` canaries, as documents."""
    for canary in canaries(count, copies):
        yield from [canary.text] * canary.copies
