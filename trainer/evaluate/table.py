"""Figures as lines for a terminal. Measures nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from trainer.evaluate.code.pass_at_k import CodeFigures
from trainer.evaluate.completion import KindFigures
from trainer.evaluate.figures import Figures
from trainer.evaluate.metrics import Mean
from trainer.evaluate.published import beside

MEASURES = {
    "exact": "exact match",
    "edit_similarity": "edit similarity",
    "first_line": "first line right",
    "kept": "characters kept",
    "parses": "file still parses",
}
_MOST_SOURCES = 20


def figure_lines(figures: Figures) -> list[str]:
    """Likelihood, then each kind of task beside its baselines, then both by source."""
    lines = [
        f"{figures.num_documents:,} files, {figures.num_bytes / 1e6:.2f} MB",
        *_table(
            ("", "model", "xz -9e, a file"),
            [
                ("bits per byte", f"{figures.bits_per_byte:.3f}", f"{figures.xz_bits_per_byte:.3f}"),
                ("next-token accuracy", f"{figures.next_token_accuracy:.1%}", ""),
            ],
        ),
    ]
    for kind, entry in figures.completion.items():
        lines += ["", *_kind_lines(kind, entry), *_published_lines(kind, "exact")]
    return [*lines, "", *_source_lines(figures)]


def code_lines(figures: Mapping[str, CodeFigures]) -> list[str]:
    """pass@k of each benchmark, beside what others published."""
    lines: list[str] = []
    for group, entry in figures.items():
        how = f"{entry.num_samples} samples at temperature {entry.temperature:g}" if entry.num_samples > 1 else "greedy"
        lines += ["", f"{group}: {entry.num_problems:,} problems, {how}"]
        lines += [f"  pass@{k:<4} {_percent(mean)}" for k, mean in entry.pass_at.items()]
        lines += [f"  exact     {_percent(entry.exact)}"]
        lines += ["  programs  " + ", ".join(f"{count:,} {verdict}" for verdict, count in entry.verdicts.items())]
        lines += [line for k in entry.pass_at for line in _published_lines(group, f"pass@{k}")]
    return lines


def _kind_lines(kind: str, entry: KindFigures) -> list[str]:
    ways = list(entry.by_way)
    rows = [
        (name, *(_percent(getattr(entry.by_way[way], measure)) for way in ways)) for measure, name in MEASURES.items()
    ]
    return _table((f"{kind}, {entry.num_tasks:,} tasks", *ways), rows)


def _source_lines(figures: Figures) -> list[str]:
    names = list(figures.bits_per_byte_by_source)
    rows = [
        (name, f"{figures.bits_per_byte_by_source[name]:.3f}", *(_exact(each, name) for each in _kinds(figures)))
        for name in names[:_MOST_SOURCES]
    ]
    more = [f"and {len(names) - _MOST_SOURCES} more sources"] if len(names) > _MOST_SOURCES else []
    return [*_table(("by source", "bits/byte", *(f"{kind} exact" for kind in figures.completion)), rows), *more]


def _kinds(figures: Figures) -> Iterable[KindFigures]:
    return figures.completion.values()


def _exact(entry: KindFigures, source: str) -> str:
    means = entry.by_source.get(source)
    return _percent(means.exact) if means is not None else "-"


def _published_lines(benchmark: str, measure: str) -> list[str]:
    return [
        f"  published, another harness: {each.model} {measure} {each.percent:g} % ({each.source})"
        for each in beside(benchmark, measure)
    ]


def _percent(mean: Mean) -> str:
    return f"{mean.value:6.1%} ±{mean.error:5.1%}" if mean.num else "-"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [list(head), *map(list, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
