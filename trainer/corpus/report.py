"""`report.html`: what a corpus holds and what was left out, for a person with a minute. Decides nothing.

One file without scripts, fonts or anything else from elsewhere; follows the reader's light or dark setting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from trainer.corpus.filters import SOURCES
from trainer.corpus.store import CorpusManifest
from trainer.corpus.summary import too_small

REPORT = "report.html"
_MOST_ROWS = 15
"""Rows of a table that are shown at once; the rest can be unfolded."""
_NUMBERS = ("files", "MB", "left out")
"""Columns that stand to the right."""
_HELD_OUT_BY = {
    "sources": "the sources that the recipe names",
    "time": "what was changed last, or since the recipe's date",
    "repository": "whole repositories, drawn by their names' hashes",
    "file": "files, drawn by their hashes, since no repository is small enough to hold out whole",
}


def write_report(folder: Path, manifest: CorpusManifest) -> Path:
    """Write the report beside the manifest."""
    path = folder / REPORT
    path.write_text(render(manifest), encoding="utf-8")
    return path


def render(manifest: CorpusManifest) -> str:
    """The report as HTML."""
    sections = [
        _headline(manifest),
        _left_out(manifest),
        _sizes(manifest),
        '<div class="pair">',
        _kinds("Licences", manifest.licences),
        _kinds("Languages", manifest.languages),
        "</div>",
        _sources(manifest),
        _named(manifest),
        _refused(manifest),
        f"<footer>Corpus <code>{manifest.corpus_hash[:16]}</code>; manifest.json tells the rest.</footer>",
    ]
    style = files("trainer.corpus").joinpath("report.css").read_text(encoding="utf-8")
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>Corpus report</title><style>\n{style}</style>"
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head><body><main>\n'
        + "\n".join(sections)
        + "</main></body></html>\n"
    )


def _headline(manifest: CorpusManifest) -> str:
    dropped = sum(manifest.dropped.values())
    kept = sum(manifest.num_documents(split) for split in ("train", "heldout"))
    tiles = [
        (f"{manifest.num_bytes('train') / 1e6:,.1f} MB", f"{manifest.num_documents('train'):,} files to train on"),
        (f"{manifest.num_bytes('heldout') / 1e6:,.1f} MB", f"{manifest.num_documents('heldout'):,} files held out"),
        (f"{dropped:,}", f"files left out, {dropped / max(1, dropped + kept):.0%} of all"),
        (f"{len(manifest.sources):,}", f"sources, and {len(manifest.refused_sources):,} refused"),
    ]
    shown = "".join(f'<div class="tile"><b>{value}</b><span>{label}</span></div>' for value, label in tiles)
    how = _HELD_OUT_BY.get(manifest.heldout_by, "")
    warning = too_small(manifest)
    notes = [f"<p>Held out: {how}.</p>"] if how and manifest.num_documents("heldout") else []
    notes += [f'<p class="warning">This corpus is {escape(warning)}.</p>'] if warning else []
    return f'<h1>Corpus report</h1><div class="tiles">{shown}</div>{"".join(notes)}'


def _left_out(manifest: CorpusManifest) -> str:
    largest = max(manifest.dropped.values(), default=1)
    rows = [
        [_code(name), _bar(count / largest), f"{count:,}", escape(source)]
        for name, source in SOURCES.items()
        if (count := manifest.dropped.get(name, 0))
    ]
    silent = [name for name in SOURCES if name not in manifest.dropped]
    off = [name for name in silent if _is_off(name, manifest.config)]
    found_none = ", ".join(name for name in silent if name not in off) or "none"
    notes = f"<p>No file fell to: {found_none}.</p>" + (f"<p>Switched off: {', '.join(off)}.</p>" if off else "")
    table = _table(["filter", "", "files", "where it comes from"], rows) if rows else "<p>Nothing was left out.</p>"
    return f"<h2>Left out, by the first filter that objected</h2>{table}{notes}"


def _is_off(name: str, config: dict[str, Any]) -> bool:
    """Whether the recipe, as the manifest keeps it, does not ask a filter."""
    switches = {
        "licence": config.get("licences") == "permissive",
        "few_comments": config.get("min_comment_share"),
        "does_not_parse": config.get("must_parse"),
        "few_characters_per_token": config.get("fertility_tokenizer"),
        "secret": config.get("secrets") == "drop",
        "contaminated": config.get("decontaminate"),
        "over_cap": config.get("max_bytes_per_source"),
        "near_duplicate": config.get("near_duplicates"),
        "near_benchmark": config.get("near_duplicates") and config.get("decontaminate"),
    }
    return not switches.get(name, True)


def _sizes(manifest: CorpusManifest) -> str:
    """A histogram of the kept files, one column for each power of two."""
    counts = manifest.sizes
    first = next((bits for bits, count in enumerate(counts) if count), 0)
    shown = list(enumerate(counts))[first:]
    if not shown:
        return ""
    width, height, gap = 44, 150, 4
    highest = max(counts)
    columns = []
    for place, (bits, count) in enumerate(shown):
        bar, x = round(height * count / highest), place * (width + gap)
        middle = x + width / 2
        label = _size(2**bits)
        columns.append(
            f'<rect x="{x}" y="{20 + height - bar}" width="{width}" height="{bar}" rx="3"><title>{count:,} files '
            f"below {label}</title></rect>"
            f'<text x="{middle}" y="{14 + height - bar}">{count:,}</text>'
            f'<text x="{middle}" y="{38 + height}">{label}</text>'
        )
    total = len(shown) * (width + gap)
    return (
        "<h2>Sizes of the files kept, each column up to the size below it</h2>"
        f'<svg viewBox="0 0 {total} {height + 46}" style="max-width:{total}px" role="img" '
        f'aria-label="histogram of file sizes">{"".join(columns)}</svg>'
    )


def _size(num_bytes: int) -> str:
    if num_bytes < 1024:
        return f"{num_bytes} B"
    return f"{num_bytes // 1024} kB" if num_bytes < 1024**2 else f"{num_bytes // 1024**2} MB"


def _kinds(title: str, totals: dict[str, dict[str, int]]) -> str:
    largest = max((entry["num_bytes"] for entry in totals.values()), default=1)
    rows = [
        [escape(name), _bar(entry["num_bytes"] / largest), f"{entry['num_documents']:,}", _mb(entry["num_bytes"])]
        for name, entry in totals.items()
    ]
    return f"<section><h2>{title}</h2>{_folded(['name', '', 'files', 'MB'], rows)}</section>"


def _sources(manifest: CorpusManifest) -> str:
    ordered = sorted(manifest.sources, key=lambda entry: -int(entry["num_bytes"]))
    rows = [
        [
            escape(entry["name"]) + (' <span class="held">held out</span>' if entry["heldout"] else ""),
            escape(entry["kind"]),
            escape(str(entry["version"])[:12]),
            escape(entry["licence"]),
            f"{entry['num_documents']:,}",
            _mb(entry["num_bytes"]),
            f"{sum(entry['dropped'].values()):,}",
        ]
        for entry in ordered
    ]
    return f"<h2>Sources</h2>{_folded(['name', 'kind', 'version', 'licence', 'files', 'MB', 'left out'], rows)}"


def _named(manifest: CorpusManifest) -> str:
    if not manifest.named:
        return ""
    rows = [
        [_code(entry["reason"]), escape(f"{entry['source']}/{entry['path']}"), escape(entry["detail"])]
        for entry in manifest.named
    ]
    return f"<h2>Files to look at</h2>{_folded(['reason', 'file', 'what it was'], rows)}"


def _refused(manifest: CorpusManifest) -> str:
    if not manifest.refused_sources:
        return ""
    rows = [[escape(name), escape(why)] for name, why in manifest.refused_sources.items()]
    return f"<h2>Sources refused</h2>{_folded(['name', 'why'], rows)}"


def _folded(header: Sequence[str], rows: list[list[str]]) -> str:
    """A table whose first rows are shown; the others unfold."""
    if len(rows) <= _MOST_ROWS:
        return _table(header, rows)
    more = len(rows) - _MOST_ROWS
    return (
        _table(header, rows[:_MOST_ROWS])
        + f"<details><summary>{more:,} more</summary>{_table(header, rows[_MOST_ROWS:])}</details>"
    )


def _table(header: Sequence[str], rows: Iterable[list[str]]) -> str:
    head = "".join(_cell("th", name, name) for name in header)
    body = ""
    for row in rows:
        body += "<tr>" + "".join(_cell("td", name, cell) for name, cell in zip(header, row, strict=True)) + "</tr>"
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(tag: str, column: str, content: str) -> str:
    return f'<{tag} class="number">{content}</{tag}>' if column in _NUMBERS else f"<{tag}>{content}</{tag}>"


def _bar(share: float) -> str:
    return f'<span class="bar" style="width:{max(2, round(120 * share))}px"></span>'


def _code(name: str) -> str:
    return f"<code>{escape(name)}</code>"


def _mb(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.2f}"
