"""Measured times by what was measured and on which engine, and their statistics. Measures nothing."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies, interpolated between its neighbours."""
    if not values:
        raise ValueError("there is no percentile of no values")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def median(values: Sequence[float]) -> float:
    return percentile(values, 0.5)


class Samples:
    """Pools the rounds: each (measurement, engine) collects the times of all of them."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], list[float]] = defaultdict(list)

    def add(self, measurement: str, engine: str, values: Iterable[float]) -> None:
        self._values[measurement, engine].extend(values)

    def has(self, measurement: str, engine: str) -> bool:
        return bool(self._values.get((measurement, engine)))

    def median(self, measurement: str, engine: str) -> float:
        return median(self._values[measurement, engine])

    def p95(self, measurement: str, engine: str) -> float:
        return self.percentile(measurement, engine, 0.95)

    def percentile(self, measurement: str, engine: str, share: float) -> float:
        return percentile(self._values[measurement, engine], share)

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Median, p95 and count of everything, in milliseconds, for the results file."""
        table: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
        for (measurement, engine), values in self._values.items():
            table[measurement][engine] = {
                "p50_ms": 1000 * median(values),
                "p95_ms": 1000 * percentile(values, 0.95),
                "count": len(values),
            }
        return dict(table)
