"""`make bench-recall`: token healing and the memory of one's own code, on packages that the embedded model never saw.

nats a token    of held-out text, by the model alone, with the file's other text, and with the package's other files
line exact      of completion tasks, likewise, and with token healing left out
word exact      the same from inside a word, where a prompt without healing ends with a part of it
"""

from __future__ import annotations

import argparse
import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from benchmarks.heldout import heldout_documents
from benchmarks.recall.trust import Places, fit, foretell, nats
from benchmarks.report import Figure, publish
from lsp_server.completion.rules import ALL, Rules
from lsp_server.model.bundle import open_bundle
from lsp_server.recall.recollection import LIVE_TRUST, STORED_TRUST
from trainer.corpus import Document
from trainer.evaluate.baselines import copy
from trainer.evaluate.likelihood import open_scorer
from trainer.evaluate.metrics import judge
from trainer.evaluate.respondent import open_respondent
from trainer.evaluate.tasks import Task, draw_tasks
from trainer.task_kinds import Kind

SEED = 7
TARGET_POINTS = 5.0


@dataclass(frozen=True, slots=True)
class Way:
    """How the model is asked, and what the engine remembers meanwhile."""

    name: str
    rules: Rules = ALL
    with_package: bool = False


WAYS = (
    Way("without healing", ALL.without("memory").without("healing")),
    Way("model alone", ALL.without("memory")),
    Way("with the document"),
    Way("with the package", with_package=True),
)
GAINS = (("healing", "without healing", "model alone"), ("memory", "model alone", "with the package"))
KINDS: tuple[Kind, ...] = ("line", "word")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=400, metavar="N", help="of each kind (default: 400)")
    parser.add_argument("--files", type=int, default=8, metavar="N", help="of each package, for nats (default: 8)")
    parser.add_argument("--model", type=Path, metavar="DIR", help="a bundle (default: the embedded model)")
    options = parser.parse_args(arguments)
    folder = open_bundle(options.model).path
    documents = heldout_documents()
    places = foretell(documents, open_scorer(folder), options.files, SEED)
    figures = _nats(places)
    for kind in KINDS:
        figures += asyncio.run(_exact(folder, documents, kind, options.tasks))
    publish("recall", figures, {"places": len(places), "fitted": _fitted(places)})


def _nats(places: Places) -> list[Figure]:
    live, stored = LIVE_TRUST.weights, STORED_TRUST.weights
    alone = float(nats(places, None, None).mean())
    ways = {"with the document": (live, None), "with the package": (live, stored)}
    return [
        Figure(
            name=f"nats a token, {name}",
            value=float(nats(places, *weights).mean()),
            unit="nats",
            peer="model alone",
            peer_value=alone,
            ratio_target=1.0,
        )
        for name, weights in ways.items()
    ]


def _fitted(places: Places) -> dict[str, object]:
    """Weights fitted on all places, and nats of each half under those of the other, which the shipped should meet."""
    numbers = torch.arange(len(places))
    halves = [numbers // 500 % 2 == half for half in (0, 1)]
    crossed = sum(float(nats(places, *fit(places, ~half))[half].sum()) for half in halves)
    live, stored = fit(places, numbers >= 0)
    return {"live": live, "stored": stored, "nats_crossed": crossed / len(places)}


async def _exact(folder: Path, documents: Sequence[Document], kind: Kind, count: int) -> list[Figure]:
    tasks = draw_tasks(documents, kind, count, SEED)
    exact = await _answers(folder, documents, tasks)
    copied = 100 * sum(judge(task, copy(task)).exact for task in tasks) / len(tasks)
    figures = [
        Figure(name=f"{kind} exact, {name}", value=value, unit="%", peer="copying", peer_value=copied)
        for name, value in exact.items()
    ]
    for gained, without, with_ in GAINS:
        gain = exact[with_] - exact[without]
        target = TARGET_POINTS if gained == "memory" else None
        name = f"{kind} exact, gained by {gained}"
        figures.append(Figure(name=name, value=gain, unit="points", target=target, higher_is_better=True))
    return figures


async def _answers(folder: Path, documents: Sequence[Document], tasks: Sequence[Task]) -> dict[str, float]:
    """Per cent of the tasks that are answered exactly, by way."""
    by_source: dict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        by_source[task.source].append(task)
    num_exact = dict.fromkeys((way.name for way in WAYS), 0)
    async with open_respondent(folder) as respondent:
        for source, its_tasks in tqdm(by_source.items(), desc="asking", unit="package", delay=2):
            for way in WAYS:
                files = {document.path: document.text for document in documents if document.source == source}
                await respondent.remember(files if way.with_package else dict.fromkeys(files, ""))
                for task in its_tasks:
                    num_exact[way.name] += judge(task, await respondent.answer(task, way.rules)).exact
    return {name: 100 * count / len(tasks) for name, count in num_exact.items()}


if __name__ == "__main__":
    main()
