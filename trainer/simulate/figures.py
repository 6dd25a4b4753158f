"""Shares and percentiles of what a typist counted. Shows nothing."""

from __future__ import annotations

from typing import Any

from lsp_server.figures import percentile
from trainer.simulate.typist import Tally


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
