"""What stood behind earlier copies of a context. Plain numbers; knows no index and no text."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

DEPTH = 16
"""Tokens of context that are compared: behind so many, what follows hardly depends on more."""
SHORTEST_MATCH = 2
"""Tokens: one alone says little that the model does not know."""
MOST_EXAMPLES = 64
"""Copies that are counted; more change a share by hundredths."""
CONTINUATION = 8
"""Tokens behind one copy that are told: as many as back ends take for drafts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The longest end of a context that stood before, and the tokens that followed it there."""

    length: int
    """Tokens."""
    next_ids: Sequence[int]
    """One for each copy that was counted; never empty."""
    continuation: Sequence[int] = ()
    """What followed one of those copies, up to `CONTINUATION` tokens."""

    def shares(self) -> dict[int, float]:
        """The tokens that followed, with their shares, which sum to 1."""
        return {token_id: count / len(self.next_ids) for token_id, count in Counter(self.next_ids).items()}


def packed(ids: Sequence[int]) -> bytes:
    """Four bytes an id, little-endian."""
    return struct.pack(f"<{len(ids)}I", *ids)
