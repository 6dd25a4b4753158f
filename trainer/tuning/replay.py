"""Replay: some rows of what the base model was trained on, among those it is tuned on. Knows no network.

RUN/replay/corpus, RUN/replay/packed    as in the run's own folder, with the same vocabulary
"""

from __future__ import annotations

import dataclasses
from math import floor
from typing import Protocol

import torch
from torch.utils.data import Dataset

from trainer.config import CorpusConfig, Recipe

REPLAY = "replay"
Row = dict[str, torch.Tensor]


class Rows(Protocol):
    """Rows without end, each a pure function of its number."""

    def __getitem__(self, number: int) -> Row: ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MixedRows(Dataset[Row]):
    """Of the rows up to any number, `share` come from replay, evenly spread; both sources are read in their order."""

    tuned: Rows
    replayed: Rows
    share: float

    def __getitem__(self, number: int) -> Row:
        before, with_it = floor(number * self.share), floor((number + 1) * self.share)
        return self.replayed[before] if with_it > before else self.tuned[number - before]


def replay_corpus(recipe: Recipe) -> CorpusConfig:
    """The corpus that is replayed: all of it is trained on, none is held out."""
    return dataclasses.replace(
        recipe.corpus, sources=recipe.tuning.replay_sources, heldout_sources=(), heldout_share=0.0, min_documents=1
    )
