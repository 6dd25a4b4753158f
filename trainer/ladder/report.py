"""What the ladder came to: a table for people, JSON for programs, and a plot. Measures nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lsp_server.machine import describe_machine
from trainer.folders import whole_file, write_whole
from trainer.ladder.heldout import HeldOut
from trainer.ladder.rungs import RungResult
from trainer.table import render_rows

TABLE = "ladder.md"
FIGURES = "ladder.json"
PLOT = "ladder.png"
_COLUMNS = ("model", "parameters", "tokens seen", "time", "perplexity", "bits per byte")
_MARKERS = {"counts": "o", "rnn": "s", "gpt2": "^"}
_LABELS = {"counts": "n-grams (counts that are not zero)", "rnn": "recurrent, with attention", "gpt2": "GPT-2"}


def write_report(run_dir: Path, results: Sequence[RungResult], heldout: HeldOut, vocab_size: int) -> str:
    """Write RUN/ladder.md, .json and .png; returns the table."""
    table = render_table(results)
    note = (
        f"{heldout.num_tokens:,} tokens of {len(heldout.documents):,} held-out documents "
        f"({heldout.num_bytes:,} bytes), a vocabulary of {vocab_size:,} tokens."
    )
    write_whole(run_dir / TABLE, f"{table}\n\n{note}\n")
    content = {
        "machine": describe_machine(("parrotlet", "torch", "numpy")),
        "heldout": {
            "documents": len(heldout.documents),
            "tokens": heldout.num_tokens,
            "bytes": heldout.num_bytes,
        },
        "vocab_size": vocab_size,
        "rungs": [asdict(result) for result in results],
    }
    write_whole(run_dir / FIGURES, json.dumps(content, indent=2) + "\n")
    draw(run_dir / PLOT, results)
    return f"{table}\n\n{note}"


def render_table(results: Sequence[RungResult]) -> str:
    """One row a rung."""
    return render_rows([_COLUMNS, *map(_cells, results)], right=range(1, len(_COLUMNS)))


def _cells(result: RungResult) -> tuple[str, ...]:
    return (
        result.name,
        f"{result.num_parameters:,}",
        f"{result.tokens_seen:,}",
        _duration(result.seconds),
        f"{result.perplexity:,.1f}",
        f"{result.bits_per_byte:.3f}",
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


def draw(path: Path, results: Sequence[RungResult]) -> None:
    """Bits per byte against parameters, one mark a rung; the depths of GPT-2 are joined."""
    from matplotlib.figure import Figure  # without pyplot: no display is looked for, and no state is kept

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for family, marker in _MARKERS.items():
        points = [result for result in results if result.family == family]
        line = "-" if family == "gpt2" else "none"
        sizes, bits = [each.num_parameters for each in points], [each.bits_per_byte for each in points]
        if points:
            axes.plot(sizes, bits, linestyle=line, marker=marker, markersize=8, label=_LABELS[family])
    middle = sorted(each.num_parameters for each in results)[len(results) // 2]
    for each in results:
        side = 1 if each.num_parameters < middle else -1
        axes.annotate(
            f"{each.name}, {_duration(each.seconds)}",
            (each.num_parameters, each.bits_per_byte),
            (9 * side, 5),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            size=8,
        )
    axes.set_xscale("log")
    axes.margins(x=0.15, y=0.2)
    axes.set_xlabel("parameters")
    axes.set_ylabel("bits per byte of held-out text")
    axes.set_title("The ladder: one corpus, one vocabulary, one held-out text")
    axes.grid(alpha=0.3)
    axes.legend()
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=150)
