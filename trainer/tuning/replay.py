"""Replay: some rows of what the base model was trained on, among those it is tuned on. Knows no network.

RUN/replay/corpus, RUN/replay/packed    as in the run's own folder, with the same vocabulary
"""

from __future__ import annotations

import dataclasses
from math import floor

from trainer.config import CorpusConfig, Recipe
from trainer.dataset.row import IndexedRows, Row, RowSource, SequentialRows

REPLAY = "replay"
HELD_OUT = 0.05
"""Of the replayed text, by files."""


def mix_rows(tuned: RowSource, replayed: RowSource, share: float) -> RowSource:
    """Rows of both; `share` come from `replayed`."""
    assert not isinstance(tuned, SequentialRows), "a recipe that replays does not stream"
    assert not isinstance(replayed, SequentialRows)
    return MixedRows(tuned=tuned, replayed=replayed, share=share)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MixedRows:
    """Of the rows up to any number, `share` come from replay, evenly spread; both sources are read in their order."""

    tuned: IndexedRows
    replayed: IndexedRows
    share: float

    @property
    def row_tokens(self) -> int:
        return self.tuned.row_tokens

    @property
    def rows_per_epoch(self) -> int:
        """Until the tuned text has been read once."""
        return round(self.tuned.rows_per_epoch / (1 - self.share))

    def __getitem__(self, number: int) -> Row:
        before, with_it = floor(number * self.share), floor((number + 1) * self.share)
        return self.replayed[before] if with_it > before else self.tuned[number - before]


def replay_corpus(recipe: Recipe) -> CorpusConfig:
    """The corpus that is replayed; what is held out of it tells what tuning makes the model forget."""
    return dataclasses.replace(
        recipe.corpus,
        sources=recipe.tuning.replay_sources,
        heldout_sources=(),
        heldout_after="",
        heldout_latest=False,
        heldout_share=HELD_OUT,
        min_documents=1,
    )
