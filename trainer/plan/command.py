"""`parrotlet-train plan`, and `run --minutes N`: plan a run in its folder, tell the plan, and write its recipe.

RUN/plan.json    what the recipe in RUN/recipe.toml was planned for; the same question gets the same plan
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from lsp_server.errors import CorpusError, RecipeError
from trainer.config import Recipe
from trainer.folders import write_whole
from trainer.recipe import load_recipe
from trainer.recipe_file import to_toml
from trainer.run_recipe import changed_recipe

RECIPE, PLAN = "recipe.toml", "plan.json"
Report = Callable[[str, str], None]


def add_plan_command(commands: Any, common: argparse.ArgumentParser, report: Report) -> None:  # Any: argparse's own
    parser = commands.add_parser("plan", parents=[common], help="choose size, epochs, batch and schedule for a time")
    parser.add_argument("--run", type=Path, required=True, metavar="DIR", help="the run's folder")
    parser.add_argument("--minutes", type=float, required=True, help="how long the training may take")
    parser.set_defaults(command=lambda options: planned_recipe(options, report))


def add_plan_options(chain: argparse.ArgumentParser) -> None:
    chain.add_argument("--minutes", type=float, help="plan the run for so long a training; the recipe's sources count")
    chain.add_argument("--plan", action="store_true", help="with --minutes: tell the plan, write the recipe, and stop")


def planned_recipe(options: argparse.Namespace, report: Report) -> Recipe:
    """The recipe for `options.minutes`, planned now or before. The corpus is collected first, if it is not there.

    Raises: RecipeError without a recipe to take the sources from; what collecting and planning raise.
    """
    run_dir: Path = options.run
    base = _base(options)
    num_bytes, asked = _collect(base, run_dir, options.minutes, report)
    if _answered(run_dir) == asked:
        sys.stdout.write(f"planned before: {run_dir / RECIPE}\n")
        return load_recipe(run_dir / RECIPE)
    return _plan(base, run_dir, num_bytes, asked)


def _base(options: argparse.Namespace) -> Recipe:
    base = changed_recipe(options.recipe, options.run, options.set)
    if base.model.pretrained:
        raise RecipeError(
            f"--minutes plans a model from nothing, and the recipe goes on from {base.model.pretrained!r}: "
            "give it its time with --set fit.minutes=N"
        )
    return base


def _collect(base: Recipe, run_dir: Path, minutes: float, report: Report) -> tuple[int, dict[str, Any]]:  # Any: JSON
    """Bytes to train on, and what a plan depends on besides the machine."""
    from trainer.corpus.store import read_manifest
    from trainer.stages import STAGES, is_finished, run_stage

    corpus = STAGES[0]
    report(corpus.name, "unchanged" if is_finished(corpus, base, run_dir) else run_stage(corpus, base, run_dir))
    manifest = read_manifest(run_dir / "corpus")
    return manifest.splits["train"]["num_bytes"], {"minutes": minutes, "corpus": manifest.corpus_hash}


def _plan(base: Recipe, run_dir: Path, num_bytes: int, asked: dict[str, Any]) -> Recipe:
    import torch

    from trainer.plan.choice import Text, make_plan
    from trainer.plan.probe import measure
    from trainer.plan.words import in_words

    if base.fit.threads:
        torch.set_num_threads(base.fit.threads)
    fit = replace(base.fit, length_warmup_share=0.0)
    text = Text(num_bytes=num_bytes, **packed_tokens(run_dir, asked["corpus"]))
    plan = make_plan(replace(base, fit=fit), text, asked["minutes"], measure, on_gpu=torch.cuda.is_available())
    words = in_words(plan)
    sys.stdout.write(words + "\n")
    write_whole(run_dir / RECIPE, to_toml(plan.recipe, words))
    write_whole(run_dir / PLAN, json.dumps(asked, indent=2) + "\n")
    sys.stdout.write(f"recipe    {run_dir / RECIPE}; run it again with: parrotlet-train run --run {run_dir}\n")
    return plan.recipe


def packed_tokens(run_dir: Path, corpus_hash: str) -> dict[str, int]:
    """Tokens and vocabulary where this corpus is packed already; that vocabulary stays."""
    from trainer.packing import read_index

    try:
        index = read_index(run_dir / "packed")
    except CorpusError:
        return {}
    if index.get("corpus_hash") != corpus_hash:
        return {}
    return {"num_tokens": index["splits"]["train"]["tokens"], "vocab_size": index["vocab_size"]}


def _answered(run_dir: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((run_dir / PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and (run_dir / RECIPE).is_file() else None
