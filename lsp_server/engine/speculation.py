"""Drafts: guesses at the next tokens, for the network to check many at a time. Knows no tensors and no network.

Drafts cannot change an answer. Each position's token is drawn from the network's own distribution as it would be
without them; a draft that equals what was drawn only means that the next position's logits are already there. For a
draft that is one certain guess, this is rejection sampling (Leviathan et al. 2023, arXiv 2211.17192).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from lsp_server.recall.match import Match

LONGEST_MATCH = 8
"""Longer ones are trusted as much."""
ACCEPTANCE_BY_MATCH = {2: 0.75, 3: 0.79, 4: 0.82, 5: 0.84, 6: 0.87, 7: 0.88, 8: 0.93}
"""Share of drafted tokens that the network agrees with, by the length of the match that they follow.

Measured with the embedded model, greedy, 40 tokens at each of 60 places in held-out packages: `make bench-drafts`.
"""
TABLE_ACCEPTANCE = 0.9
"""Share of the table's word that holds where the text itself has no example; measured likewise.

From 0.3 to 0.9 a token's cost changes by less than 2 %, drafts cost what they may."""
_PRIOR_TOKENS = 4
"""Tokens' worth of trust in the table above, against what this request's own drafts have met with."""


class DraftTable(Protocol):
    """What usually comes behind a few tokens, learned with the model."""

    def propose(self, ids: Sequence[int], limit: int, least: float) -> list[int]:
        """Up to `limit` tokens, as long as all are right with a probability of at least `least`."""
        ...


class WrittenText(Protocol):
    """What a draft goes on with, as it grows: a document alone, or beside the user's other code."""

    @property
    def end(self) -> list[int]:
        """Its last tokens."""
        ...

    def longest_match(self) -> Match | None:
        """What stood behind an earlier copy of its end."""
        ...


class Drafter:
    """Guesses how one text goes on: as it went on where its end stood before, else as the table says."""

    def __init__(self, text: WrittenText, table: DraftTable | None = None) -> None:
        self._text = text
        self._table = table
        self._num_checked = 0
        self._num_accepted = 0

    def learn(self, num_checked: int, num_accepted: int) -> None:
        """So many drafted tokens were checked until the first wrong one, and so many were right."""
        self._num_checked += num_checked
        self._num_accepted += num_accepted

    def draft(self, limit: int, cost: float) -> list[int]:
        """Up to `limit` tokens, as many as pay where each costs `cost` of a plain step."""
        found = self._text.longest_match()
        if found is None:
            least = cost / TABLE_ACCEPTANCE
            return self._table.propose(self._text.end, limit, least) if self._table else []
        known = ACCEPTANCE_BY_MATCH[min(found.length, LONGEST_MATCH)] * _PRIOR_TOKENS + self._num_accepted
        acceptance = known / (_PRIOR_TOKENS + self._num_checked)
        return list(found.continuation[: draft_length(acceptance, cost, limit)])


def draft_length(acceptance: float, cost: float, limit: int) -> int:
    """The number of tokens whose last one is right often enough to be worth its cost."""
    if acceptance >= 1.0 or cost <= 0.0:
        return limit
    if acceptance <= 0.0 or cost >= 1.0:
        return 0
    return min(limit, int(math.log(cost) / math.log(acceptance)))
