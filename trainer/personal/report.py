"""The page about one training: what was read, what became better, what was forgotten, in examples and plots.

One file without scripts or anything from elsewhere. It quotes the user's code, and so stays in their folder.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from trainer.corpus.filters import SOURCES
from trainer.personal.findings import Example, Findings, examples
from trainer.personal.gate import MOST_FORGOTTEN, forgotten, gained
from trainer.personal.proof import KINDS, Worth
from trainer.task_kinds import Kind

_SHOWN_LINES = 4
_GREY, _BLUE, _ORANGE = "#9aa3ad", "#1f5fa8", "#c44e1c"


def render(findings: Findings) -> str:
    """The page as HTML."""
    style = files("trainer.corpus").joinpath("report.css").read_text(encoding="utf-8") + _STYLE
    title = f"{findings.name}@{findings.version}"
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>Parrotlet: {escape(title)}</title><style>\n{style}</style>"
    verdict = "in use" if findings.verdict.accepted else "not taken"
    sections = [
        f"<h1>{escape(title)}: {verdict}</h1><p>{escape(findings.paragraph())}</p>",
        f"<h2>Before and after</h2>{_figures(findings)}{_bars(findings)}",
        f"<h2>On files that it never saw</h2>{_examples(examples(findings.before, findings.after))}",
        f"<h2>How the training went</h2>{_curve(findings)}{_mixes(findings)}",
        f"<h2>What was read</h2>{_read(findings)}",
        "<footer>Made on this machine; nothing was sent anywhere.</footer>",
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head><body><main>\n'
        + "\n".join(sections)
        + "</main></body></html>\n"
    )


_STYLE = """
pre { padding: .6rem .8rem; overflow-x: auto; border-left: 3px solid #8886; margin: .3rem 0; }
.wanted { color: #3a8a3a; } .wrong { color: #c44e1c; } .context { opacity: .6; }
svg { max-width: 100%; height: auto; background: #fff; }
"""


def _figures(findings: Findings) -> str:
    before, after = findings.before, findings.after
    base, mix = findings.base, findings.mix
    rows = [
        *(_exact(kind, before, after) for kind in KINDS),
        (
            "keys saved by a typist",
            f"{before.typed.saved:.1%}",
            f"{after.typed.saved:.1%}",
            f"of {after.typed.plain_keys:,}; more is better",
        ),
        (
            "bits a byte, your code",
            f"{base.home_bits:.3f}",
            f"{mix.home_bits:.3f}",
            f"less is better: {gained(base, mix):.1%}",
        ),
        (
            "bits a byte, Python in general",
            f"{base.elsewhere_bits:.3f}",
            f"{mix.elsewhere_bits:.3f}",
            f"{forgotten(base, mix):+.1%}, at most {MOST_FORGOTTEN:+.0%}",
        ),
        ("made-up secrets that come out", "0", f"{mix.num_extracted}", f"of {findings.num_canaries} planted"),
    ]
    return _table(("", "before", "after", ""), rows)


def _exact(kind: Kind, before: Worth, after: Worth) -> tuple[str, str, str, str]:
    count = after.kinds[kind].num_tasks if kind in after.kinds else 0
    title, told = f"{kind}s completed exactly", f"of {count} that were tried; more is better"
    return title, f"{before.exact(kind):.1%}", f"{after.exact(kind):.1%}", told


def _bars(findings: Findings) -> str:
    """Shares of lines, blocks and keys, before beside after."""
    from matplotlib.figure import Figure

    names = ["lines exact", "blocks exact", "keys saved"]
    pairs = [
        [100 * worth.exact("line"), 100 * worth.exact("block"), 100 * worth.typed.saved]
        for worth in (findings.before, findings.after)
    ]
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    axes = figure.subplots()
    places = range(len(names))
    for offset, values, label, colour in ((-0.2, pairs[0], "before", _GREY), (0.2, pairs[1], "after", _BLUE)):
        drawn = axes.barh([place + offset for place in places], values, height=0.38, label=label, color=colour)
        axes.bar_label(drawn, fmt="%.1f", padding=3)
    axes.set(yticks=list(places), yticklabels=names, xlabel="%")
    axes.margins(x=0.12)
    axes.invert_yaxis()
    axes.legend()
    return _svg(figure)


def _curve(findings: Findings) -> str:
    """The held-out loss, step by step."""
    try:
        lines = findings.curves.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    looks = [entry for entry in map(json.loads, lines) if "heldout_bits_per_byte" in entry]
    if len(looks) < 2:
        return ""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(
        [entry["step"] for entry in looks],
        [entry["heldout_bits_per_byte"] for entry in looks],
        marker="o",
        color=_ORANGE,
    )
    axes.set(xlabel="steps", ylabel="bits a byte, held out")
    return f"<p>The best step counts; further ones would have learnt your files by heart.</p>{_svg(figure)}"


def _mixes(findings: Findings) -> str:
    rows = [
        (
            f"{mix.share:.0%}" + (" (taken)" if mix is findings.mix and findings.verdict.accepted else ""),
            f"{gained(findings.base, mix):+.1%}",
            f"{forgotten(findings.base, mix):+.1%}",
            str(mix.num_extracted),
        )
        for mix in sorted(findings.tried, key=lambda mix: -mix.share)
    ]
    head = ("tuned weights' share", "better at home", "worse elsewhere", "secrets that come out")
    return f"<p>Mixtures with the model before, which forget less:</p>{_table(head, rows)}"


def _examples(shown: Sequence[Example]) -> str:
    if not shown:
        return "<p>No line or block was completed exactly by one of the two and not by the other.</p>"
    return "".join(_example(example) for example in shown)


def _example(example: Example) -> str:
    task = example.task
    above = "\n".join(task.before.splitlines()[-_SHOWN_LINES:]) + ("\n" if task.before.endswith("\n") else "")
    mark = "better" if example.is_better else "worse"
    return (
        f"<p><code>{escape(f'{task.source}/{task.path}')}</code>: {mark}</p>"
        f'<pre><span class="context">{escape(above)}</span><span class="wanted">{escape(task.target)}</span></pre>'
        + _answer("before", example.before, not example.is_better)
        + _answer("after", example.after, example.is_better)
    )


def _answer(title: str, text: str, is_right: bool) -> str:
    kind = "wanted" if is_right else "wrong"
    return f'<pre>{title}: <span class="{kind}">{escape(text.strip()) or "(nothing)"}</span></pre>'


def _read(findings: Findings) -> str:
    manifest = findings.manifest
    sources = _table(
        ("source", "commit", "files", "left out"),
        [
            (str(entry["name"]), str(entry["version"])[:12], f"{entry['num_documents']:,}", _total(entry["dropped"]))
            for entry in manifest.sources
        ],
    )
    dropped = _table(
        ("left out because", "files", "rule"),
        [(name, f"{count:,}", SOURCES.get(name, "")) for name, count in manifest.dropped.items()],
    )
    by = {"time": "what was changed last", "file": "files drawn by their hashes"}.get(manifest.heldout_by, "")
    notes = "".join(f"<li>{escape(note)}</li>" for note in findings.notes)
    named = [f"{entry['source']}/{entry['path']}: {entry['reason']}" for entry in manifest.named]
    return (
        f"{sources}<p>Held out: {by}.</p>{f'<ul>{notes}</ul>' if notes else ''}"
        f"{dropped if manifest.dropped else ''}{_folded('files left out that you may want to look at', named)}"
        + _folded("files that were read", [f"{source}/{path}" for source, path, held in findings.files if not held])
        + _folded("files that were held out", [f"{source}/{path}" for source, path, held in findings.files if held])
    )


def _total(dropped: dict[str, int]) -> str:
    return f"{sum(dropped.values()):,}"


def _folded(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    listed = escape("\n".join(sorted(lines)))
    return f"<details><summary>{len(lines):,} {title}</summary><pre>{listed}</pre></details>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'


def _svg(figure: object) -> str:
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg")  # type: ignore[attr-defined]  # matplotlib's figure
    return drawn.getvalue()[drawn.getvalue().index("<svg") :]
