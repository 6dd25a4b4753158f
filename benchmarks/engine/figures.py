"""Samples as figures with the project's targets. Measures nothing.

Targets are the issue's that asked for this engine; each is a ratio to something measured in the same run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.engine import rounds
from benchmarks.engine.code_rounds import CODE
from benchmarks.engine.roster import (
    BF16,
    CTRANSLATE2,
    FP32,
    LLAMA,
    LLAMA_F16,
    OURS,
    OURS_DEFAULT,
    OURS_TORCH,
    SPECULATION,
)
from benchmarks.engine.samples import Samples
from benchmarks.report import Figure

WARM_TARGETS = {FP32: 0.2, BF16: 0.2, LLAMA: 0.6, LLAMA_F16: 0.6}
COLD_TARGETS = {LLAMA: 0.4, LLAMA_F16: 0.4}
TORCH_WARM_TARGETS, TORCH_COLD_TARGETS = {LLAMA: 1.3}, {LLAMA: 0.6}
SPECULATION_TARGET = 0.4
SPREAD_TARGET = 1.6
FLOOR_TARGET = 2.5
CANDIDATES_TARGET = 1.8
COMPETING_TARGET = 1.4
READY_SECONDS_TARGET = 3.0
MEMORY_MB_TARGET = 600.0
PEERS = (FP32, BF16, LLAMA, LLAMA_F16, CTRANSLATE2)
OWN = (OURS, OURS_DEFAULT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What decoding cannot beat."""

    weight_bytes: int
    """Read once a token, at one byte a weight."""
    bandwidths: Mapping[str, float]
    """Bytes a second, by what was read."""


def speed_figures(samples: Samples, plan: rounds.Plan, floor: Floor) -> list[Figure]:
    """Everything that was timed on the network of the base model's shape."""
    figures: list[Figure] = []
    for context in plan.contexts:
        figures += versus(samples, rounds.warm(context), PEERS, WARM_TARGETS)
        figures += spreads(samples, rounds.warm(context))
        figures += versus(samples, rounds.warm(context), (LLAMA,), TORCH_WARM_TARGETS, OURS_TORCH)
    figures += versus(samples, rounds.cold(plan.cold_tokens), PEERS, COLD_TARGETS)
    figures += versus(samples, rounds.cold(plan.cold_tokens), (LLAMA,), TORCH_COLD_TARGETS, OURS_TORCH)
    for context in plan.contexts:
        figures += decoding(samples, context, floor)
    pair = (rounds.sampled(rounds.CANDIDATES), rounds.sampled(1))
    figures += against(samples, *pair, dict.fromkeys(OWN, CANDIDATES_TARGET))
    return figures + against(
        samples, rounds.COMPETING, rounds.QUIET, {**dict.fromkeys(OWN, COMPETING_TARGET), LLAMA: None}
    )


def code_figures(samples: Samples) -> list[Figure]:
    """Trained weights on real code."""
    targets = {**WARM_TARGETS, **dict.fromkeys(SPECULATION, SPECULATION_TARGET)}
    figures = versus(samples, CODE, (FP32, LLAMA, *SPECULATION, CTRANSLATE2), targets)
    return figures + spreads(samples, CODE)


def start_figures(
    whole: float, parts: Mapping[str, float], memory_mb: Mapping[str, tuple[float, float]]
) -> list[Figure]:
    """Start to ready, its parts, and what our process holds after everything."""
    figures = [Figure(name="start to ready", value=whole, unit="s", target=READY_SECONDS_TARGET)]
    figures += [Figure(name=f"start to ready: {part}", value=seconds, unit="s") for part, seconds in parts.items()]
    for name, (resident, peak) in memory_mb.items():
        figures.append(Figure(name=f"memory, highest, {name}", value=peak, unit="MB", target=MEMORY_MB_TARGET))
        figures.append(Figure(name=f"memory, at the end, {name}", value=resident, unit="MB"))
    return figures


def versus(
    samples: Samples, measurement: str, peers: Sequence[str], targets: Mapping[str, float], ours: str = OURS
) -> list[Figure]:
    """Our median beside each peer's that was measured; our default threads beside our own."""
    if not samples.has(measurement, ours):
        return []
    own = 1000 * samples.median(measurement, ours)
    return [
        Figure(
            name=measurement if ours == OURS else f"{measurement}, {ours}",
            value=own,
            unit="ms",
            peer=peer,
            peer_value=1000 * samples.median(measurement, peer),
            ratio_target=targets.get(peer),
        )
        for peer in (peers if ours != OURS else (*peers, OURS_DEFAULT))
        if samples.has(measurement, peer)
    ]


def spreads(samples: Samples, measurement: str) -> list[Figure]:
    """Our 95th percentile beside our median."""
    return [
        Figure(
            name=f"p95 of {measurement}",
            value=1000 * samples.p95(measurement, engine),
            unit="ms",
            peer=f"p50 ({engine})",
            peer_value=1000 * samples.median(measurement, engine),
            ratio_target=SPREAD_TARGET,
        )
        for engine in OWN
        if samples.has(measurement, engine)
    ]


def against(samples: Samples, measurement: str, base: str, targets: Mapping[str, float | None]) -> list[Figure]:
    """The same engine's medians of two measurements."""
    return [
        Figure(
            name=f"{measurement}",
            value=1000 * samples.median(measurement, engine),
            unit="ms",
            peer=f"{base} ({engine})",
            peer_value=1000 * samples.median(base, engine),
            ratio_target=target,
        )
        for engine, target in targets.items()
        if samples.has(measurement, engine) and samples.has(base, engine)
    ]


def decoding(samples: Samples, context: int, floor: Floor) -> list[Figure]:
    """One more token, from the difference between many and one, beside the time to read the weights."""
    long, short = rounds.warm(context), rounds.first(context)
    figures = []
    for engine in (*OWN, *PEERS):
        if not (samples.has(long, engine) and samples.has(short, engine)):
            continue
        seconds = (samples.median(long, engine) - samples.median(short, engine)) / (rounds.NEW_TOKENS - 1)
        figures += [
            Figure(
                name=f"a token at {context}, {engine}",
                value=1000 * seconds,
                unit="ms",
                peer=f"floor at {bandwidth / 1e9:.0f} GB/s ({what})",
                peer_value=1000 * floor.weight_bytes / bandwidth,
                ratio_target=FLOOR_TARGET if engine in OWN else None,
            )
            for number, (what, bandwidth) in enumerate(floor.bandwidths.items())
            if number == 0 or engine in OWN
        ]
    return figures
