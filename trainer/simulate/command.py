"""`parrotlet-train simulate`: how much typing the suggestions save on real files. Wiring, a table, and JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsp_server.errors import EvaluationError
from trainer.table import render_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.simulate.pieces import Piece
    from trainer.simulate.project import Project
    from trainer.simulate.typist import Tally


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "simulate", parents=[common], help="type real files with suggestions on: what is saved"
    )
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="folders, repositories, package:NAME")
    parser.add_argument("--model", type=Path, metavar="DIR", help="(default: the one in use)")
    parser.add_argument("--pieces", type=int, default=40, metavar="N", help="of 5 to 20 lines (default: 40)")
    parser.add_argument("--seed", type=int, default=0, help="of pieces and typing (default: 0)")
    parser.add_argument("--ablations", action="store_true", help="also what each rule is worth, switched off by itself")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> None:
    from trainer.evaluate.sources import read_sources
    from trainer.simulate.pieces import draw_pieces
    from trainer.simulate.project import laid_out

    if options.pieces < 1:
        raise EvaluationError(f"--pieces is {options.pieces}: at least 1 is to be written")
    documents = read_sources(options.sources)
    pieces = draw_pieces(documents, options.pieces, options.seed)
    if not pieces:
        raise EvaluationError("no file there is long enough to write a part of it: name more code")
    with laid_out(documents) as project:
        _type(pieces, project, options)


def _type(pieces: Sequence[Piece], project: Project, options: argparse.Namespace) -> None:
    """Print the tables, and write them where that is asked for. Raises: EvaluationError."""
    from trainer.simulate.figures import figures

    tallies = asyncio.run(_simulate(pieces, project, options.model, options.seed))
    sys.stdout.write(render_rows(_rows(tallies), right=tuple(range(1, 1 + len(tallies)))) + "\n")
    outcomes = asyncio.run(_ablate(pieces, project, options.model, options.seed)) if options.ablations else {}
    if options.json is not None:
        values = {name: {**asdict(tally), **figures(tally)} for name, tally in tallies.items()}
        try:
            options.json.write_text(
                json.dumps({"pieces": len(pieces), **values, **outcomes}, indent=2) + "\n", encoding="utf-8"
            )
        except OSError as error:
            raise EvaluationError(f"--json {options.json} cannot be written: {error}") from error


async def _simulate(pieces: Sequence[Piece], project: Project, model: Path | None, seed: int) -> dict[str, Tally]:
    """By way to suggest."""
    from trainer.simulate.editors import CopyingEditor
    from trainer.simulate.trial import write_all, write_with_server

    tallies = {"parrotlet": await write_with_server(pieces, project, model, seed)}
    tallies["copying"] = await write_all(CopyingEditor(), pieces, seed, "writing with copies of the file")
    return tallies


async def _ablate(
    pieces: Sequence[Piece], project: Project, model: Path | None, seed: int
) -> dict[str, Any]:  # Any: JSON
    """Print the table; returns the figures."""
    from trainer.simulate.ablation import ablate, rows

    outcomes = await ablate(pieces, project, model, seed)
    table = rows(outcomes)
    sys.stdout.write("\n" + render_rows(table, right=tuple(range(1, len(table[0])))) + "\n")
    return {"ablations": {name: outcome.as_dict() for name, outcome in outcomes.items()}}


def _rows(tallies: dict[str, Tally]) -> list[tuple[str, ...]]:
    from trainer.simulate.figures import figures

    shares = {name: figures(tally) for name, tally in tallies.items()}

    def row(title: str, show: Any) -> tuple[str, ...]:  # Any: of a tally and its figures
        return (title, *(show(tallies[name], shares[name]) for name in tallies))

    return [
        ("", *tallies),
        row("characters", lambda tally, _: f"{tally.characters:,}"),
        row("keys pressed", lambda tally, _: f"{tally.keys:,}"),
        row("keys saved", lambda _, each: f"{each['saved']:.1%}"),
        row("characters completed", lambda _, each: f"{each['completed']:.1%}"),
        row("offers seen, of 100 keys", lambda _, each: f"{each['offers_per_100_keys']:.1f}"),
        row("offers that were right", lambda _, each: f"{each['right']:.1%}"),
        row("wrong ones for a right one", lambda _, each: _number(each["wrong_per_right"])),
        row("offers that came too late", lambda tally, _: f"{tally.num_late:,}"),
        row("latency p50", lambda _, each: f"{each['latency_p50_ms']:.0f} ms"),
        row("latency p90", lambda _, each: f"{each['latency_p90_ms']:.0f} ms"),
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
