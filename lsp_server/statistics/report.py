"""A summary as lines for a terminal, as JSON, and as a page with plots. Measures nothing."""

from __future__ import annotations

import html
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lsp_server.errors import StatisticsError
from lsp_server.statistics.offer import Offer
from lsp_server.statistics.summary import Summary, by_day, by_language

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
td, th { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #8884; }
td:first-child, th:first-child { text-align: left; }
svg { max-width: 100%; height: auto; background: #fff; }
"""
_BLUE, _ORANGE, _GREEN = "#1f5fa8", "#c44e1c", "#3a8a3a"


def as_text(offers: Sequence[Offer], days: int) -> str:
    """The figures, then the languages."""
    if not offers:
        return f"no suggestions were offered in the last {days} days"
    lines = [f"{name:<26}{value}" for name, value in _figures(Summary.of(offers))]
    lines += ["", f"{'by language':<26}{'offered':>9}{'accepted':>10}{'saved':>9}"]
    for language, summary in by_language(offers).items():
        accepted = _percent(summary.acceptance)
        lines.append(f"{language:<26}{summary.offered:>9,}{accepted:>10}{summary.saved_characters:>9,}")
    return "\n".join(lines)


def as_json(offers: Sequence[Offer], days: int) -> str:
    """For programs: the same figures, and each day's."""
    return json.dumps(as_values(offers, days), indent=2)


def as_values(offers: Sequence[Offer], days: int) -> dict[str, Any]:  # Any: JSON
    """What `as_json` writes, and what an editor gets that draws the figures itself."""
    return {
        "days": days,
        "all": _values(Summary.of(offers)),
        "by_language": {name: _values(each) for name, each in by_language(offers).items()},
        "by_day": {name: _values(each) for name, each in by_day(offers).items()},
    }


def as_html(offers: Sequence[Offer], days: int) -> str:
    """One page that needs nothing else. Raises: StatisticsError without matplotlib."""
    rows = "".join(f"<tr><td>{name}<td>{html.escape(value)}" for name, value in _figures(Summary.of(offers)))
    languages = "".join(
        f"<tr><td>{html.escape(name)}<td>{each.offered:,}<td>{_percent(each.acceptance)}<td>{each.saved_characters:,}"
        for name, each in by_language(offers).items()
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Parrotlet: statistics</title>"
        f"<style>{_STYLE}</style><h1>Suggestions of the last {days} days</h1>"
        "<p>Counted on this machine, and sent nowhere.</p>"
        f"<table>{rows}</table>{_plots(by_day(offers))}"
        f"<table><tr><th>language<th>offered<th>accepted<th>characters saved{languages}</table></html>\n"
    )


def _figures(summary: Summary) -> list[tuple[str, str]]:
    return [
        ("offered", f"{summary.offered:,}"),
        ("accepted whole", f"{summary.whole:,}"),
        ("accepted in part", f"{summary.part:,}"),
        ("typed by hand", f"{summary.typed:,}"),
        ("accepted, of all", _percent(summary.acceptance)),
        ("characters saved", f"{summary.saved_characters:,}"),
        ("still there after 30 s", _percent(summary.kept_30_s)),
        ("still there after 5 min", _percent(summary.kept_5_min)),
        ("answered from the cache", _percent(summary.from_cache)),
        ("latency p50", f"{summary.latency_p50_ms:.0f} ms"),
        ("latency p90", f"{summary.latency_p90_ms:.0f} ms"),
        ("latency p99", f"{summary.latency_p99_ms:.0f} ms"),
    ]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _values(summary: Summary) -> dict[str, Any]:  # Any: JSON
    return {**asdict(summary), "acceptance": summary.acceptance}


def _plots(days: Mapping[str, Summary]) -> str:
    """Acceptance, characters saved and latency over the days, as SVG."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise StatisticsError("the page's plots need matplotlib: pip install 'parrotlet[plots]'") from error
    figure = Figure(figsize=(9, 8), layout="constrained")
    accepted, saved, latency = figure.subplots(3, 1, sharex=True)
    names = list(days)
    accepted.plot(names, [100 * (each.acceptance or 0) for each in days.values()], marker="o", color=_BLUE)
    accepted.set(ylabel="accepted, %", ylim=(0, None))
    saved.bar(names, [each.saved_characters for each in days.values()], color=_GREEN)
    saved.set(ylabel="characters saved")
    latency.plot(names, [each.latency_p50_ms for each in days.values()], marker="o", color=_BLUE, label="p50")
    latency.plot(names, [each.latency_p90_ms for each in days.values()], marker="o", color=_ORANGE, label="p90")
    latency.set(ylabel="latency, ms", ylim=(0, None))
    latency.legend()
    latency.tick_params(axis="x", rotation=60)
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg")
    return drawn.getvalue()[drawn.getvalue().index("<svg") :]
