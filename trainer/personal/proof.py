"""The tuned model beside its base, on the user's held-out files and on text that was replayed. Decides nothing."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.config import EvaluateConfig
from trainer.corpus import Document, read_documents
from trainer.evaluate.completion import MODEL, Answer, KindFigures, answer_tasks, draw_all_tasks, figures_by_kind
from trainer.evaluate.figures import draw_documents
from trainer.evaluate.likelihood import Likelihood, open_scorer
from trainer.evaluate.memorisation import num_extracted
from trainer.packing.canaries import Canary
from trainer.personal.gate import Mix, choose, is_admissible
from trainer.simulate.pieces import draw_pieces
from trainer.simulate.project import laid_out
from trainer.simulate.trial import write_with_server
from trainer.simulate.typist import Tally
from trainer.task_kinds import Kind
from trainer.tuning.interpolation import interpolate_folders

KINDS: tuple[Kind, ...] = ("line", "block")
HALVINGS = 4
"""Of the interval in which the best share of the tuned weights lies (WiSE-FT, arXiv 2109.01903): to a sixteenth."""
Within = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured: what two cores do in a quarter of the time for the whole."""

    num_bytes: int
    num_tasks: int
    """Of each kind."""
    num_pieces: int

    @classmethod
    def for_minutes(cls, minutes: float) -> Size:
        return cls(
            num_bytes=int(min(150_000, max(20_000, 15_000 * minutes))),
            num_tasks=int(min(200, max(20, 20 * minutes))),
            num_pieces=int(min(10, max(2, minutes))),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What both models are judged on."""

    home: Sequence[Document]
    elsewhere: Sequence[Document]

    @classmethod
    def of(cls, run_dir: Path, replay_dir: Path, size: Size) -> Texts:
        return cls(
            home=draw_documents(read_documents(run_dir / "corpus", "heldout"), size.num_bytes),
            elsewhere=draw_documents(read_documents(replay_dir / "corpus", "heldout"), size.num_bytes),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What one model makes of the tasks."""

    answers: Sequence[Answer]
    kinds: dict[str, KindFigures]
    typed: Tally

    def exact(self, kind: str) -> float:
        """Share of the tasks answered exactly; 0 where there was none."""
        return self.kinds[kind].by_way[MODEL].exact.value if kind in self.kinds else 0.0


def measure_mix(model: Path, share: float, texts: Texts, planted: Sequence[Canary]) -> Mix:
    """Bits per byte, and what comes out of the planted secrets."""
    scorer = open_scorer(model)

    def bits(documents: Sequence[Document]) -> float:
        scores = (scorer.score(document.text.replace("\r\n", "\n")) for document in documents if document.text)
        return sum(scores, Likelihood()).bits_per_byte

    home, elsewhere = bits(texts.home), bits(texts.elsewhere)
    extracted = num_extracted(model, planted) if planted else 0
    return Mix(share=share, home_bits=home, elsewhere_bits=elsewhere, num_extracted=extracted)


def mix_models(
    base: Path, tuned: Path, texts: Texts, planted: Sequence[Canary], folder: Path, within: Within
) -> tuple[Mix, list[Mix]]:
    """The base's worth, and that of mixtures, the best one first; FOLDER/SHARE holds the best one's model.

    By halves: the more of the tuned weights, the more is forgotten, while the gain at home rises to one peak and falls.
    """
    shutil.rmtree(folder, ignore_errors=True)
    of_base = measure_mix(base, 0.0, texts, ())
    tried: list[Mix] = []
    low, most = of_base, 1.0
    for number in range(HALVINGS):
        within((1 + number) / (1 + HALVINGS))
        share = (low.share + most) / 2
        mix = measure_mix(mixture(base, tuned, share, folder), share, texts, planted)
        tried.append(mix)
        if is_admissible(of_base, mix) and mix.home_bits < low.home_bits:
            low = mix
        else:
            most = share
    best = choose(of_base, tried)
    for mix in tried:
        if mix is not best:
            shutil.rmtree(folder / f"{mix.share:g}", ignore_errors=True)
    return of_base, [best, *(mix for mix in tried if mix is not best)]


def mixture(base: Path, tuned: Path, share: float, folder: Path) -> Path:
    """The folder of a mixture, made if need be."""
    out = folder / f"{share:g}"
    if not out.is_dir():
        interpolate_folders(base, tuned, share, out)
    return out


def measure_worth(model: Path, texts: Texts, size: Size, seed: int) -> Worth:
    """Tasks as `evaluate` sets them, and a typist as `simulate` has one; the same ones for every model."""
    config = EvaluateConfig(tasks=size.num_tasks, kinds=KINDS)
    answers = answer_tasks(model, draw_all_tasks(texts.home, config.kinds, config.tasks, seed))
    pieces = draw_pieces(texts.home, size.num_pieces, seed)
    with laid_out(texts.home) as project:
        typed = asyncio.run(write_with_server(pieces, project, model, seed, in_time=True)) if pieces else Tally()
    return Worth(answers=answers, kinds=figures_by_kind(answers), typed=typed)
