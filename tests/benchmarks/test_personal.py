"""The figures of a training's report, as the benchmark tells them."""

from __future__ import annotations

from benchmarks.personal import METHODS, figures_of
from trainer.personal.wish import Wish, recipe_for

REPORT = {
    "line_exact": {"before": 0.16, "after": 0.22},
    "bits_per_byte_gain": 0.11,
    "forgotten": 0.013,
    "canaries": {"planted": 50, "extracted": 1},
}


def test_each_figure_has_its_targets_verdict() -> None:
    figures = figures_of("mine, full", REPORT)
    assert [(round(figure.value, 6), figure.verdict) for figure in figures] == [
        (6.0, "ok"),
        (11.0, "short"),
        (1.3, "ok"),
        (1, "short"),
    ]


def test_every_method_is_a_recipe(tmp_path: object) -> None:
    for changes in METHODS.values():
        recipe_for(Wish(folders=(str(tmp_path),), name="mine", changes=changes))
