"""Which lines go into which shard of the finished corpus: a plan, written by `work.write_shard` in any process."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainer.corpus import store
from trainer.corpus.selection import KEPT, Selection
from trainer.corpus.staging import StagedUnit
from trainer.corpus.store import Split
from trainer.corpus.work import Piece, ShardPlan

_PIECE_BYTES = 4_000_000
"""Lines that lie side by side are read together, up to so many bytes."""


def plan_shards(folder: Path, units: list[StagedUnit], selection: Selection) -> dict[Split, list[ShardPlan]]:
    """The shards of both splits, in the order of the units."""
    return {
        "train": _plan(folder, "train", units, selection),
        "heldout": _plan(folder, "heldout", units, selection),
    }


def _plan(folder: Path, split: Split, units: list[StagedUnit], selection: Selection) -> list[ShardPlan]:
    plans: list[ShardPlan] = []
    pieces: list[Piece] = []
    num_bytes = 0
    for index, unit in enumerate(units):
        fates, is_heldout = selection.of_unit(index)
        ends = unit.rows["end"]
        starts = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
        kept = np.flatnonzero((fates == KEPT) & (is_heldout == (split == "heldout")))
        for start, end, size in zip(
            starts[kept].tolist(), ends[kept].tolist(), unit.rows["num_bytes"][kept].tolist(), strict=True
        ):
            if pieces and num_bytes + size > store.SHARD_BYTES:
                plans.append(_shard(folder, split, len(plans), pieces))
                pieces, num_bytes = [], 0
            _append(pieces, Piece(lines=unit.lines, start=start, end=end))
            num_bytes += size
    if pieces:
        plans.append(_shard(folder, split, len(plans), pieces))
    return plans


def _append(pieces: list[Piece], piece: Piece) -> None:
    last = pieces[-1] if pieces else None
    if (
        last is not None
        and last.lines == piece.lines
        and last.end == piece.start
        and piece.end - last.start <= _PIECE_BYTES
    ):
        pieces[-1] = Piece(lines=last.lines, start=last.start, end=piece.end)
    else:
        pieces.append(piece)


def _shard(folder: Path, split: Split, number: int, pieces: list[Piece]) -> ShardPlan:
    return ShardPlan(file=folder / store.shard_name(split, number), pieces=tuple(pieces))
