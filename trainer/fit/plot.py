"""The curves of a run as a picture: losses over tokens, and how fast they were seen. Reads curves.jsonl only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trainer.folders import whole_file

SMOOTHING_POINTS = 50
"""Steps that one point of the smoothed loss stands for; a tenth of a shorter run's."""
HELDOUT = (
    ("heldout_loss", "held out", "#c44e1c"),
    ("heldout_loss_of_mean", "held out, mean of the weights", "#3a8a3a"),
)


def plot_curves(curves: Path, out: Path) -> None:
    """Draw the file of a run's curves, as SVG or what `out` ends in; nothing is drawn before there are two steps."""
    entries = [json.loads(line) for line in curves.read_text(encoding="utf-8").splitlines()] if curves.exists() else []
    if len(_series(entries, "loss")[0]) < 2:
        return
    from matplotlib.figure import Figure  # loaded when something is drawn: it takes most of a second

    figure = Figure(figsize=(9, 6), layout="constrained")
    losses, speeds = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _draw_losses(losses, entries)
    _draw_speeds(speeds, entries)
    with whole_file(out) as partial:
        figure.savefig(partial)


def _draw_losses(axes: Any, entries: list[dict[str, Any]]) -> None:  # Any: matplotlib is untyped; JSON
    tokens, each = _series(entries, "loss")
    smoothed = _smoothed(each)
    axes.plot(tokens, each, color="#b9cbe0", linewidth=0.8, label="training, each step")
    axes.plot(tokens, smoothed, color="#1f5fa8", label=f"training, smoothed: {smoothed[-1]:.3f}")
    for name, label, colour in HELDOUT:
        places, values = _series(entries, name)
        if places:
            axes.plot(places, values, "o-", color=colour, markersize=4, label=f"{label}: {values[-1]:.3f}")
    axes.set_ylabel("loss, nats a token")
    axes.legend()
    axes.grid(alpha=0.3)


def _draw_speeds(axes: Any, entries: list[dict[str, Any]]) -> None:  # Any: as above
    from matplotlib.ticker import EngFormatter

    axes.plot(*_series(entries, "tokens_per_second"), color="#777777", linewidth=0.8)
    axes.set_ylabel("tokens/s")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("tokens seen")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(alpha=0.3)


def _series(entries: list[dict[str, Any]], name: str) -> tuple[list[float], list[float]]:  # Any: JSON
    """Tokens seen, and the value there."""
    found = [entry for entry in entries if name in entry]
    return [entry["tokens"] for entry in found], [entry[name] for entry in found]


def _smoothed(values: list[float]) -> list[float]:
    """The mean of each value and those before it."""
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    width = max(1, min(SMOOTHING_POINTS, len(values) // 10))
    return [(sums[end] - sums[max(0, end - width)]) / min(end, width) for end in range(1, len(sums))]
