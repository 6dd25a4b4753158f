"""Samples as figures with the project's targets. Measures nothing."""

from __future__ import annotations

from benchmarks.engine.rounds import CANDIDATES, Plan, cold, sampled, warm
from benchmarks.engine.samples import Samples
from benchmarks.gpu.engines import EAGER, GRAPHS, OWN, TRANSFORMERS
from benchmarks.gpu.floor import Floor
from benchmarks.gpu.rounds import WINDOWS, step, windows
from benchmarks.report import Figure

FLOOR_TARGET = 4.0
WARM_P50_MS = 15.0
WARM_P90_MS = 25.0
"""Targets of the issue that asked for decoding on a GPU."""


def gpu_figures(samples: Samples, plan: Plan, floor: Floor) -> list[Figure]:
    """Everything, in milliseconds."""
    figures = floor_figures(floor)
    for context in plan.contexts:
        figures += step_figures(samples, context, floor)
    for context in plan.contexts:
        figures += warm_figures(samples, context)
    figures += [_beside(samples, cold(plan.cold_tokens), peer) for peer in (EAGER, TRANSFORMERS)]
    for many, one in ((sampled(CANDIDATES), sampled(1)), (windows(WINDOWS), windows(1))):
        figures += [_many(samples, many, one, name) for name in OWN]
    return figures


def floor_figures(floor: Floor) -> list[Figure]:
    name = f"floor: a graph of {floor.num_kernels} kernels that do nothing"
    read = f"floor: reading {floor.weight_bytes / 1e6:.0f} MB of weights"
    return [
        Figure(name=name, value=1000 * floor.launch_seconds, unit="ms"),
        Figure(name=read, value=1000 * floor.read_seconds, unit="ms"),
        Figure(name="memory bandwidth", value=floor.bandwidth / 1e9, unit="GB/s", higher_is_better=True),
    ]


def step_figures(samples: Samples, context: int, floor: Floor) -> list[Figure]:
    """A step with its token read, beside the floor."""
    return [
        Figure(
            name=f"{step(context)}, {name}",
            value=1000 * samples.median(step(context), name),
            unit="ms",
            peer="floor",
            peer_value=1000 * floor.seconds,
            ratio_target=FLOOR_TARGET if name == GRAPHS else None,
        )
        for name in OWN
    ]


def warm_figures(samples: Samples, context: int) -> list[Figure]:
    """p50 beside the peers', and p90, each with its target."""
    p50 = _beside(samples, warm(context), TRANSFORMERS, target=WARM_P50_MS)
    p90 = Figure(
        name=f"p90 of {warm(context)}",
        value=1000 * samples.percentile(warm(context), GRAPHS, 0.9),
        unit="ms",
        peer=TRANSFORMERS,
        peer_value=1000 * samples.percentile(warm(context), TRANSFORMERS, 0.9),
        target=WARM_P90_MS,
    )
    return [p50, _beside(samples, warm(context), EAGER), p90]


def _beside(samples: Samples, measurement: str, peer: str, target: float | None = None) -> Figure:
    return Figure(
        name=measurement,
        value=1000 * samples.median(measurement, GRAPHS),
        unit="ms",
        peer=peer,
        peer_value=1000 * samples.median(measurement, peer),
        target=target,
    )


def _many(samples: Samples, many: str, one: str, name: str) -> Figure:
    return Figure(
        name=f"{many}, {name}",
        value=1000 * samples.median(many, name),
        unit="ms",
        peer=one,
        peer_value=1000 * samples.median(one, name),
    )
