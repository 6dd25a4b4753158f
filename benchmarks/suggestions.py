"""`make bench-suggestions`: what suggestions save somebody who types, what is wrong with them, and each rule's worth.

The text is the held-out packages of the embedded model's recipe, as they are installed here: anyone can repeat it.
The pieces are typed through the real server over LSP, beside copies of what the file says already; then in this
process, with the pipeline's rules off one by one. At last what the pipeline takes in a file of 2,000 lines: for keys
that ask the engine, and for keys that type a suggestion through.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.heldout import heldout_documents
from benchmarks.report import Figure, publish
from lsp_server.completion.completer import Completer
from lsp_server.completion.snapshot import Snapshot
from lsp_server.engine.fake import FakeEngine
from lsp_server.figures import percentile
from lsp_server.model.opening import open_model
from lsp_server.settings import Settings
from trainer.simulate.ablation import Outcome, ablate, rows
from trainer.simulate.editors import CopyingEditor
from trainer.simulate.figures import figures
from trainer.simulate.pieces import draw_pieces
from trainer.simulate.project import laid_out
from trainer.simulate.trial import write_all, write_with_server
from trainer.simulate.typist import Tally
from trainer.table import render_rows

LINES = 2000
KEYS = 400


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.suggestions", description=__doc__)
    parser.add_argument("--model", type=Path, help="a bundle (default: the embedded model)")
    parser.add_argument("--pieces", type=int, default=60, help="of 5 to 20 lines")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-ablations", dest="ablations", action="store_false")
    options = parser.parse_args(arguments)
    asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> None:
    documents = heldout_documents()
    pieces = draw_pieces(documents, options.pieces, options.seed)
    with laid_out(documents) as project:
        typed = await write_with_server(pieces, project, options.model, options.seed)
        copied = await write_all(CopyingEditor(), pieces, options.seed, "writing with copies of the file")
        outcomes = await ablate(pieces, project, options.model, options.seed) if options.ablations else {}
    if outcomes:
        print(render_rows(rows(outcomes), right=tuple(range(1, 9))))
    asked_ms, reused_ms = await own_times(options.model)
    notes: dict[str, object] = {
        "pieces": len(pieces),
        "typed": {**_counts(typed), **figures(typed)},
        "ablations": {name: outcome.as_dict() for name, outcome in outcomes.items()},
    }
    lines = [*_typed_lines(typed, copied), *_fault_lines(outcomes), *_time_lines(asked_ms, reused_ms)]
    publish("suggestions", lines, notes)


async def own_times(model: Path | None) -> tuple[list[float], list[float]]:
    """Milliseconds of a key without the engine, which answers at once: of one that asks it, and of one typed through.

    The former has the prompt made, the tree parsed and the answer trimmed; the latter types what was suggested.
    """
    opened = open_model(model)
    number = 0
    engine = FakeEngine(lambda _request, _index: [f"value_{number} = compute(first, second)\n"])
    completer = Completer(engine=engine, tokenizer=opened.load_tokenizer(), prompts=opened.prompts)
    head = "".join(
        f"def function_{each}(first, second):\n    return first + second\n\n\n" for each in range(LINES // 8)
    )
    before, after = head + "def here(first, second):\n    ", "\n\n\n" + head
    asked_ms: list[float] = []
    reused_ms: list[float] = []
    while len(asked_ms) + len(reused_ms) < KEYS:
        number += 1
        for key in f"result = other(first)\nvalue_{number} = compute(first, second)\n".replace("\n", "\n    "):
            snapshot = Snapshot(uri="u", language="python", text=before + after, offset=len(before))
            began = time.perf_counter()
            await completer.read_ahead(snapshot, Settings())
            suggestions = await completer.suggest(snapshot, Settings(), automatic=True)
            took_ms = 1000 * (time.perf_counter() - began)
            is_reused = bool(suggestions) and suggestions[0].from_cache
            (reused_ms if is_reused else asked_ms).append(took_ms)
            before += key
    return asked_ms, reused_ms


def _counts(tally: Tally) -> dict[str, object]:
    return {name: value for name, value in asdict(tally).items() if name != "latencies_ms"}


def _typed_lines(typed: Tally, copied: Tally) -> list[Figure]:
    ours, theirs = figures(typed), figures(copied)
    peer = "copies of the file"
    wrong = Figure(name="wrong offers for a right one", value=ours["wrong_per_right"] or 0.0, unit="", target=0.5)
    return [
        Figure(
            name="keys saved",
            value=100 * ours["saved"],
            unit="%",
            peer=peer,
            peer_value=100 * theirs["saved"],
            target=22,
            higher_is_better=True,
        ),
        Figure(name="offers in 100 keys", value=ours["offers_per_100_keys"], unit=""),
        wrong,
        Figure(name="latency with the wait behind a key, p90", value=ours["latency_p90_ms"], unit="ms"),
    ]


def _fault_lines(outcomes: dict[str, Outcome]) -> list[Figure]:
    if not outcomes:
        return []
    faults = outcomes["all rules"].faults
    return [
        Figure(name="offers that add a syntax error", value=100 * faults.share("num_broken"), unit="%", target=1),
        Figure(name="offers that repeat the line's rest", value=100 * faults.share("num_suffix"), unit="%", target=0.5),
        Figure(name="offers with the line below", value=100 * faults.share("num_below"), unit="%"),
        Figure(name="offers with the line above", value=100 * faults.share("num_above"), unit="%"),
    ]


def _time_lines(asked_ms: Sequence[float], reused_ms: Sequence[float]) -> list[Figure]:
    name = f"the pipeline without the engine, {LINES:,} lines"
    return [
        Figure(name=f"{name}, p50", value=percentile(asked_ms, 50), unit="ms"),
        Figure(name="the same, p95", value=percentile(asked_ms, 95), unit="ms", target=3),
        Figure(name="a key that types a suggestion through, p50", value=percentile(reused_ms, 50), unit="ms"),
        Figure(name="the same, p95", value=percentile(reused_ms, 95), unit="ms", target=2),
    ]


if __name__ == "__main__":
    main()
