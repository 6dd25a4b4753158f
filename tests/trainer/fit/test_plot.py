"""The picture of a run's curves."""

from __future__ import annotations

import json
from pathlib import Path

from trainer.fit.plot import plot_curves


def test_the_picture_shows_training_and_held_out_losses(tmp_path: Path) -> None:
    curves = tmp_path / "curves.jsonl"
    entries: list[dict[str, float]] = [
        {"step": n, "tokens": n * 100, "loss": 8.0 / n, "tokens_per_second": 10.0} for n in range(1, 30)
    ]
    entries.append({"step": 29, "tokens": 2900, "heldout_loss": 1.234})
    curves.write_text("".join(json.dumps(entry) + "\n" for entry in entries))

    plot_curves(curves, tmp_path / "curves.svg")

    assert (tmp_path / "curves.svg").read_text().startswith("<?xml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.jsonl", "curves.svg"]


def test_nothing_is_drawn_before_there_is_a_curve(tmp_path: Path) -> None:
    plot_curves(tmp_path / "curves.jsonl", tmp_path / "curves.svg")

    assert not (tmp_path / "curves.svg").exists()
