"""Shares and percentiles of what a typist counted, and all pieces written in one editor. Shows nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tqdm import tqdm

from lsp_server.figures import percentile
from trainer.simulate.pieces import Piece
from trainer.simulate.typist import Editor, Tally, write


async def write_all(editor: Editor, pieces: Sequence[Piece], seed: int, what: str) -> Tally:
    total = Tally()
    for piece in tqdm(pieces, desc=what, unit="piece", delay=2):
        total.add(await write(editor, piece, seed))
    return total


def figures(tally: Tally) -> dict[str, Any]:  # Any: JSON
    return {
        "saved": tally.saved,
        "completed": tally.completed,
        "offers_per_100_keys": 100 * tally.num_offers / tally.keys if tally.keys else 0.0,
        "right": tally.num_right / tally.num_offers if tally.num_offers else 0.0,
        "wrong_per_right": tally.num_wrong / tally.num_right if tally.num_right else None,
        "latency_p50_ms": percentile(tally.latencies_ms, 50),
        "latency_p90_ms": percentile(tally.latencies_ms, 90),
    }
