"""One training from folders to the library: prepare, train, prove, and let the model answer if it is better.

DATA/models/NAME/work/                  a run's folder, as of every other recipe, with
DATA/models/NAME/work/unfinished.json   while a training is under way: what it was, so that the same command goes on
DATA/models/NAME/work/tried/            mixtures with the base
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lsp_server.library.shelf import Shelf, Version
from lsp_server.model.embedded import named_model
from lsp_server.model.opening import open_model
from trainer.config import Recipe, digest
from trainer.corpus import CorpusManifest
from trainer.export import export
from trainer.fit.checkpoint import latest_checkpoint, read_progress
from trainer.fit.loop import fit
from trainer.folders import write_whole
from trainer.packing import read_index
from trainer.packing.canaries import canaries
from trainer.personal import courtesy, preparation
from trainer.personal.findings import Findings, find_out
from trainer.personal.publication import publish
from trainer.personal.telling import Outcome, Teller
from trainer.personal.turn import turn
from trainer.personal.wish import Wish
from trainer.tuning.replay import REPLAY

UNFINISHED, TRIED = "unfinished.json", "tried"
PROOF_SHARE = 0.25
"""Of the minutes that were asked for."""
LEAST_TRAINING_SHARE = 0.25
Pause = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """One training under way."""

    wish: Wish
    recipe: Recipe
    shelf: Shelf
    version: Version
    base: Path
    began: float

    @property
    def folder(self) -> Path:
        return self.shelf.work

    @property
    def replayed(self) -> Path:
        return self.folder / REPLAY


def train(wish: Wish, recipe: Recipe, teller: Teller, pause: Pause = courtesy.wait_for_quiet) -> Outcome:
    """Train, prove and, if the gate opens, put the model in use; `pause` waits while somebody types.

    Raises: ParrotletError for what cannot be used, and the model in use stays then; BusyError while another trains.
    """
    began = time.monotonic()
    shelf = Shelf(name=wish.name)
    base = named_model(wish.base).resolve()
    with turn(wish.name):
        preparation.check_space(shelf.folder, open_model(base).weights_bytes)
        work = _Work(wish=wish, recipe=recipe, shelf=shelf, version=shelf.next_version(), base=base, began=began)
        outcome = _train(work, teller, pause)
    teller.end(outcome)
    return outcome


def _train(work: _Work, teller: Teller, pause: Pause) -> Outcome:
    teller.stage("corpus", f"collecting {', '.join(work.wish.folders)}")
    manifest = preparation.collect(work.recipe, work.folder)
    teller.stage("tokens", _in_short(manifest))
    work = replace(work, recipe=preparation.with_canaries(work.recipe, manifest))
    preparation.tokenise(work.recipe, work.folder)
    work, goes_on = _with_time(work)
    teller.stage("training", f"{'going on, of' if goes_on else 'for'} {work.recipe.fit.minutes:.1f} minutes")
    minutes = _fit(work, teller, pause)
    teller.stage("proof", "comparing the model with the one that it came from")
    findings, model = _find_out(work, manifest, minutes, teller)
    teller.stage("report", "writing the report")
    outcome = publish(work.shelf, work.version, findings, model)
    (work.folder / UNFINISHED).unlink(missing_ok=True)
    return outcome


def _in_short(manifest: CorpusManifest) -> str:
    return (
        f"{manifest.num_documents('train'):,} files to learn from, {manifest.num_documents('heldout'):,} to judge by, "
        f"{sum(manifest.dropped.values()):,} left out"
    )


def _with_time(work: _Work) -> tuple[_Work, bool]:
    """With the training's minutes set, and whether it goes on from a checkpoint; those of another training go."""
    packed = [read_index(folder / "packed")["content_hash"] for folder in (work.folder, work.replayed)]
    mark = digest(*packed, work.recipe.model, work.recipe.tuning, work.recipe.dataset, work.wish.minutes)
    begun = _read_unfinished(work.folder, mark)
    if begun is not None:
        (work.folder / UNFINISHED).touch()  # other processes of this launch wait for it
        return _for_minutes(work, begun), any((work.folder / "checkpoints").glob("step-*"))
    for name in ("checkpoints", "bundle", TRIED, "curves.jsonl", "samples.jsonl", "curves.svg"):
        path = work.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    asked, spent = work.wish.minutes, (time.monotonic() - work.began) / 60
    minutes = max(LEAST_TRAINING_SHARE * asked, (1 - PROOF_SHARE) * asked - spent)
    write_whole(work.folder / UNFINISHED, json.dumps({"mark": mark, "minutes": minutes}) + "\n")
    return _for_minutes(work, minutes), False


def _read_unfinished(folder: Path, mark: str) -> float | None:
    """The minutes of the training that was broken off, if it was this one."""
    try:
        found = json.loads((folder / UNFINISHED).read_text(encoding="utf-8"))
        return float(found["minutes"]) if found["mark"] == mark else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_minutes(file: Path, since: float) -> float | None:
    """Of the training that has begun since that time; None where none has."""
    try:
        is_new = file.stat().st_mtime >= since
        return float(json.loads(file.read_text(encoding="utf-8"))["minutes"]) if is_new else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _for_minutes(work: _Work, minutes: float) -> _Work:
    fit_config = work.recipe.fit
    threads = fit_config.threads or courtesy.num_threads()
    return replace(work, recipe=replace(work.recipe, fit=replace(fit_config, minutes=minutes, threads=threads)))


def _fit(work: _Work, teller: Teller, pause: Pause) -> float:
    """Train and export; returns the minutes that took."""

    def behind_step(share: float, loss: float) -> float:
        if loss:
            teller.within(share, f"loss {loss:.3f}")
        return pause()

    fit(work.recipe, work.folder, behind_step=behind_step)
    export(work.recipe, work.folder)
    last = latest_checkpoint(work.folder / "checkpoints")
    assert last is not None, "a training ends with a checkpoint"
    return read_progress(last)[0].seconds / 60


def _find_out(work: _Work, manifest: CorpusManifest, minutes: float, teller: Teller) -> tuple[Findings, Path]:
    packing = work.recipe.packing
    return find_out(
        name=work.shelf.name,
        version=work.version.number,
        base=work.base,
        run_dir=work.folder,
        replay_dir=work.replayed,
        tried=work.folder / TRIED,
        manifest=manifest,
        notes=preparation.notes(work.recipe.corpus.sources),
        planted=canaries(packing.canaries, packing.canary_copies),
        minutes=minutes,
        asked_minutes=work.wish.minutes,
        seed=work.recipe.seed,
        within=teller.within,
    )
