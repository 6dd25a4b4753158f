"""`parrotlet-train ablate`: its arguments, and the order in which variants are trained.

RUN/corpus, RUN/tokenizer        the recipe's own, which judge and encode every variant
RUN/variants/NAME                a run's folder each, with `result.json`; one that is finished is not trained again, and
                                 one that was interrupted goes on from its last checkpoint
RUN/ablation.json, ablation.md   what it came to
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from trainer.ablation.variants import USUAL, Variant, chosen_variants, equal_budget

_SHARED_STAGES = ("corpus", "tokenizer")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    names = ",".join(variant.name for variant in USUAL)
    parser = commands.add_parser(
        "ablate", parents=[common], help="train a recipe again and again with one thing changed, and compare"
    )
    parser.add_argument("--run", type=Path, required=True, metavar="DIR", help="where all variants go")
    parser.add_argument("--minutes", type=float, metavar="N", help="training time of each variant")
    parser.add_argument(
        "--tokens", type=int, metavar="N", help="or the tokens that each sees: on a machine that is busy"
    )
    parser.add_argument("--variants", default="", metavar="NAMES", help=f"of {names} (default: all)")
    parser.add_argument(
        "--also", action="append", default=[], metavar="KEY=VALUE", help="a variant of your own; repeatable"
    )
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> None:
    from trainer.run_recipe import recipe_of_run

    variants = chosen_variants(options.variants, options.also)
    changes = [*options.set, *equal_budget(options.minutes, options.tokens)]
    recipe_of_run(options.recipe, options.run, changes)
    ablate(options.run, variants)


def ablate(run_dir: Path, variants: Sequence[Variant]) -> None:
    """Train, judge and compare the variants of the recipe that RUN remembers; what is finished is not done again.

    Raises: RecipeError when a variant is none of the recipe's; whatever a stage or training raises.
    """
    from trainer.ablation.report import write_report
    from trainer.ablation.training import judging_text, try_variant
    from trainer.run_recipe import changed_recipe
    from trainer.stages import STAGES, run_chain

    recipes = [changed_recipe(None, run_dir, variant.changes) for variant in variants]  # a mistake is told at once
    recipe = changed_recipe(None, run_dir)
    run_chain(recipe, run_dir, _say, tuple(stage for stage in STAGES if stage.name in _SHARED_STAGES))
    text = judging_text(recipe, run_dir)
    results = []
    for variant, varied in zip(variants, recipes, strict=True):
        result, known = try_variant(variant, varied, run_dir, text, _say)
        results.append(result)
        _say(variant.name, f"{result.bits_per_byte:.3f} bits a byte{', unchanged' if known else ''}")
    sys.stdout.write(f"\n{write_report(run_dir, variants, results, text)}\n")


def _say(name: str, summary: str) -> None:
    sys.stdout.write(f"{name}: {summary}\n")
    sys.stdout.flush()
