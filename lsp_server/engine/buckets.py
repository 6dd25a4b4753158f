"""The shapes that passes are padded to, and which tokens of which spans share a pass. Knows no tensors.

A pass of a fixed shape can be recorded once as a CUDA graph and replayed. There are few shapes, because each graph
takes time to record and memory of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ROWS = (1, 2, 4, 8)
SHORT = (1, 5, 9)
"""New tokens of a row in decoding: the last token alone, with 4 drafts, with 8 (`StaticBackend.draft_tokens`)."""
LONG = (32, 64, 128)
"""Prompt tokens of a pass with one row; the longest is `decoding.PREFILL_TOKENS`."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A pass's shape: rows, and new tokens in each."""

    rows: int
    tokens: int

    def __str__(self) -> str:
        return f"{self.rows} x {self.tokens}"


BUCKETS = (
    *(Bucket(rows, tokens) for rows in ROWS for tokens in SHORT),
    *(Bucket(1, tokens) for tokens in LONG),
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens `start` to `stop` of the span with this number: one row of a pass."""

    span: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Batch:
    """One pass: at most as many pieces as the bucket has rows, none longer than its tokens."""

    bucket: Bucket
    pieces: tuple[Piece, ...]


def plan(lengths: Sequence[int]) -> list[Batch]:
    """The passes that read spans of these lengths; the pieces of a span come in order, each in a pass of its own.

    Short spans share passes even where one is padded: a pass costs much the same whatever its rows hold.
    """
    short = [Piece(number, 0, length) for number, length in enumerate(lengths) if length <= SHORT[-1]]
    short.sort(key=len)  # neighbours in length share a pass
    shared = [tuple(short[start : start + ROWS[-1]]) for start in range(0, len(short), ROWS[-1])]
    long = [
        (piece,) for number, length in enumerate(lengths) if length > SHORT[-1] for piece in _pieces(number, length)
    ]
    return [Batch(_bucket(pieces), pieces) for pieces in (*shared, *long)]


def _pieces(number: int, length: int) -> Iterator[Piece]:
    for start in range(0, length, LONG[-1]):
        yield Piece(number, start, min(start + LONG[-1], length))


def _bucket(pieces: Sequence[Piece]) -> Bucket:
    """The smallest one that holds them."""
    rows = next(rows for rows in ROWS if rows >= len(pieces))
    longest = max(len(piece) for piece in pieces)
    return Bucket(rows, next(tokens for tokens in (*SHORT, *LONG) if tokens >= longest))
