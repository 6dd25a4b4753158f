"""One text on its way, and what the user's code says of its next token: expectations, each with how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass

from lsp_server.recall.live_text import LiveText
from lsp_server.recall.match import Match
from lsp_server.recall.suffix_index import SuffixIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How far to believe a match: a logistic function of its length, and of how many copies agree."""

    base: float
    length: float
    """For each eight tokens of the match."""
    copies: float
    """For the logarithm of one more than the copies."""
    dissent: float
    """For the logarithm of half more than the copies that did not go on as most did."""

    @property
    def weights(self) -> tuple[float, float, float, float]:
        return self.base, self.length, self.copies, self.dissent

    @staticmethod
    def features(match: Match) -> tuple[float, float, float, float]:
        """What the weights are for, in their order."""
        num_copies = len(match.next_ids)
        num_dissenting = num_copies * (1 - max(match.shares().values()))
        return 1.0, match.length / 8, math.log1p(num_copies), math.log(num_dissenting + 0.5)

    def of(self, match: Match) -> float:
        """The weight of the match beside the model, 0 to 1."""
        score = sum(weight * feature for weight, feature in zip(self.weights, self.features(match), strict=True))
        return 1 / (1 + math.exp(-score))


LIVE_TRUST = Trust(base=-3.74, length=1.73, copies=1.43, dissent=-1.21)
STORED_TRUST = Trust(base=-3.98, length=2.47, copies=1.08, dissent=-1.01)
"""Fitted by likelihood on held-out packages, each file beside the other files of its package: `make bench-recall`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """Next tokens with their probabilities, to be mixed into the model's at `weight`."""

    weight: float
    shares: dict[int, float]


class Recollection:
    """Looks up the document itself and, where there is one, the index of the code around it."""

    def __init__(
        self,
        texts: Sequence[Sequence[int]],
        separators: Collection[int] = (),
        *,
        index: SuffixIndex | None = None,
        own_name: str = "",
    ) -> None:
        """`texts`: the document's, in pieces; the next token is asked for behind the last one.

        `separators` are tokens that follow nothing; `own_name` is the document's in the index.
        """
        self._text = LiveText(texts, separators)
        self._index = index
        self._own_name = own_name
        self._found: list[tuple[Match, Trust]] | None = None  # until the text goes on

    def add(self, token_id: int) -> None:
        """The text goes on with this token."""
        self._text.add(token_id)
        self._found = None

    def copy(self) -> Recollection:
        """Another one that goes on by itself."""
        other = copy(self)
        other._text = self._text.copy()
        return other

    @property
    def end(self) -> list[int]:
        """The last tokens, as many as a search compares."""
        return self._text.end

    def expectations(self) -> list[Expectation]:
        """To be mixed in one after the other: the document has the last word."""
        return [Expectation(weight=trust.of(match), shares=match.shares()) for match, trust in self._matches()]

    def longest_match(self) -> Match | None:
        """Of the document's and the index's; of equally long ones the document's."""
        return max((match for match, _ in reversed(self._matches())), key=lambda match: match.length, default=None)

    def _matches(self) -> list[tuple[Match, Trust]]:
        if self._found is None:
            stored = None if self._index is None else self._index.longest_match(self._text.end, self._own_name)
            found = ((stored, STORED_TRUST), (self._text.longest_match(), LIVE_TRUST))
            self._found = [(match, trust) for match, trust in found if match]
        return self._found
