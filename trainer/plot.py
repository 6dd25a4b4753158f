"""The curves of a run as a picture: losses over tokens, and how fast they were seen. Reads curves.jsonl only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SMOOTHING_POINTS = 50
"""Steps that one point of the smoothed loss stands for."""


def plot_curves(curves: Path, out: Path) -> None:
    """Draw the file of a run's curves as SVG; nothing is drawn before there are two steps."""
    entries = [json.loads(line) for line in curves.read_text(encoding="utf-8").splitlines()] if curves.exists() else []
    training = _series(entries, "loss")
    if len(training[0]) < 2:
        return
    from matplotlib.figure import Figure  # loaded when something is drawn: it takes most of a second

    figure = Figure(figsize=(9, 6), layout="constrained")
    losses, speeds = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    losses.plot(*training, color="#b9cbe0", linewidth=0.8, label="training, each step")
    losses.plot(training[0], _smoothed(training[1]), color="#1f5fa8", label=f"training, mean of {SMOOTHING_POINTS}")
    for name, label, colour in (
        ("heldout_loss", "held out", "#c44e1c"),
        ("heldout_loss_of_mean", "held out, mean of the weights", "#3a8a3a"),
    ):
        heldout = _series(entries, name)
        if heldout[0]:
            losses.plot(*heldout, "o-", color=colour, markersize=4, label=label)
            losses.annotate(
                f"{heldout[1][-1]:.3f}", (heldout[0][-1], heldout[1][-1]), (6, 0), textcoords="offset points"
            )
    losses.set_ylabel("loss, nats a token")
    losses.legend()
    losses.grid(alpha=0.3)
    speeds.plot(*_series(entries, "tokens_per_second"), color="#777777", linewidth=0.8)
    speeds.set_ylabel("tokens/s")
    speeds.set_xlabel("tokens seen")
    speeds.set_ylim(bottom=0)
    speeds.grid(alpha=0.3)
    partial = out.with_suffix(".partial.svg")
    figure.savefig(partial)
    partial.replace(out)


def _series(entries: list[dict[str, Any]], name: str) -> tuple[list[float], list[float]]:  # Any: JSON
    """Tokens seen, and the value there."""
    found = [entry for entry in entries if name in entry]
    return [entry["tokens"] for entry in found], [entry[name] for entry in found]


def _smoothed(values: list[float]) -> list[float]:
    """The mean of each value and those before it."""
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    return [
        (sums[end] - sums[max(0, end - SMOOTHING_POINTS)]) / min(end, SMOOTHING_POINTS) for end in range(1, len(sums))
    ]
