"""What a model repeats of the text it was trained on: long runs of it, and planted canaries.

A place counts as repeated when the model, shown the text before it, writes the next `REPEATED` characters exactly, as
in Carlini et al. 2022 (arXiv 2202.07646). Code repeats itself, so held-out text is asked about likewise: what comes
back there was not remembered. A canary's exposure is that of Carlini et al. 2019 (arXiv 1802.08232), section 4.2: how
many halvings of all secrets that could stand there the model is ahead of chance.

Shape suffixes: T tokens of a secret, V vocabulary.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log2
from pathlib import Path

import torch
from torch.nn import functional as F
from tqdm import tqdm

from trainer.config import Recipe
from trainer.corpus import Document, read_documents
from trainer.evaluate.likelihood import Scorer, open_scorer
from trainer.evaluate.memory_figures import (
    ALTERNATIVES,
    REPEATED,
    CanaryFigures,
    Memorisation,
    Repeats,
    write_memorisation,
)
from trainer.evaluate.metrics import num_equal
from trainer.evaluate.respondent import Draw, Respondent, open_respondent
from trainer.packing.canaries import Canary, canaries, secret_of

SHOWN = 800
"""Characters before a place; the window cuts them to what it holds."""
NEW_TOKENS = 80


def measure_run(recipe: Recipe, run_dir: Path) -> Memorisation:
    """Measure a run's model on its own corpus, and write the figures."""
    model, corpus = run_dir / "bundle", run_dir / "corpus"
    figures = memorisation(
        model,
        open_scorer(model),
        read_documents(corpus, "train"),
        read_documents(corpus, "heldout"),
        canaries(recipe.packing.canaries, recipe.packing.canary_copies),
        count=recipe.evaluate.memorised,
        seed=recipe.seed,
    )
    write_memorisation(run_dir / "evaluation", figures)
    return figures


def memorisation(
    model: Path,
    scorer: Scorer,
    trained: Iterable[Document],
    heldout: Iterable[Document],
    planted: Sequence[Canary],
    *,
    count: int,
    seed: int,
) -> Memorisation:
    """Ask at `count` places of each, and for every canary. Memory holds `count` documents of each."""
    places = [draw_places(trained, count, seed), draw_places(heldout, count, seed)]
    answers, written = asyncio.run(_ask(model, [*places[0], *places[1]], planted))
    return Memorisation(
        trained=_repeats(places[0], answers[: len(places[0])]),
        heldout=_repeats(places[1], answers[len(places[0]) :]),
        canaries=tuple(
            CanaryFigures(
                copies=canary.copies, exposure=exposure(scorer, canary), is_extracted=text.startswith(canary.secret)
            )
            for canary, text in zip(tqdm(planted, desc="canaries", delay=2), written, strict=True)
        ),
    )


def num_extracted(model: Path, planted: Sequence[Canary]) -> int:
    """How many canaries the model writes out, shown what stands before them."""
    _, written = asyncio.run(_ask(model, (), planted))
    return sum(text.startswith(canary.secret) for canary, text in zip(planted, written, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A line's end somewhere in a document: tokens that begin with a line break are whole on its far side."""

    document: Document
    at: int

    @property
    def before(self) -> str:
        return self.document.text[max(0, self.at - SHOWN) : self.at]

    @property
    def wanted(self) -> str:
        return self.document.text[self.at : self.at + REPEATED]


def draw_places(documents: Iterable[Document], count: int, seed: int) -> list[Place]:
    """One place in each of `count` documents that are long enough, chosen by their hashes."""
    long = (document for document in documents if len(document.text) >= SHOWN + REPEATED)
    drawn = heapq.nsmallest(count, long, key=lambda document: secret_of(f"{seed} {document.sha256}"))
    return [Place(document=document, at=_line_end(document.text, seed)) for document in drawn]


def _line_end(text: str, seed: int) -> int:
    """The end of a line with enough text before and behind it, or what is nearest to that."""
    at = random.Random(f"{seed} {len(text)} {text[:80]}").randint(SHOWN // 2, len(text) - REPEATED)
    end = text.rfind("\n", 0, at)
    return end if end > 0 else at


async def _ask(model: Path, places: Sequence[Place], planted: Sequence[Canary]) -> tuple[list[str], list[str]]:
    async with open_respondent(model) as respondent:
        answers = [await _go_on(respondent, place.before) for place in tqdm(places, desc="repeats", delay=2)]
        written = [await _go_on(respondent, canary.prefix) for canary in planted]
    return answers, written


async def _go_on(respondent: Respondent, before: str) -> str:
    """Greedily."""
    (answer,) = await respondent.go_on(before, Draw(max_new_tokens=NEW_TOKENS), ())
    return answer


def _repeats(places: Sequence[Place], answers: Sequence[str]) -> Repeats:
    if not places:
        return Repeats()
    runs = [num_equal(answer, place.wanted) for place, answer in zip(places, answers, strict=True)]
    longest = max(range(len(runs)), key=runs.__getitem__)
    document = places[longest].document
    return Repeats(
        num_places=len(places),
        num_repeated=sum(run == len(place.wanted) for run, place in zip(runs, places, strict=True)),
        mean_characters=sum(runs) / len(runs),
        longest_characters=runs[longest],
        longest_place=f"{document.source}/{document.path} ({document.licence})",
    )


def exposure(scorer: Scorer, canary: Canary) -> float:
    """log2 of all secrets that were tried, less log2 of the canary's rank among them, in bits."""
    others = [secret_of(f"alternative {number} {canary.prefix}") for number in range(ALTERNATIVES)]
    own = _nats(scorer, canary.prefix, canary.secret)
    rank = 1 + sum(_nats(scorer, canary.prefix, other) <= own for other in others)
    return log2(len(others) + 1) - log2(rank)


def _nats(scorer: Scorer, prefix: str, secret: str) -> float:
    """What the model pays for a secret behind as much of its prefix as fits the window."""
    ids = list(scorer.tokenizer.encode(secret))[-scorer.context_tokens :]
    shown = [scorer.first_id, *scorer.tokenizer.encode(prefix), *ids[:-1]][-scorer.context_tokens :]
    logits_TV = scorer.predict(shown, len(ids))
    return F.cross_entropy(logits_TV, torch.tensor(ids, device=logits_TV.device), reduction="sum").item()
