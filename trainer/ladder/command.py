"""`parrotlet-train ladder`: its arguments, and the order in which the rungs are climbed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lsp_server.errors import CorpusError
from trainer.run_recipe import recipe_of_run

if TYPE_CHECKING:
    from trainer.config import Recipe

RECIPE = "ladder"
_STAGES = ("corpus", "tokenizer", "pack")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "ladder", parents=[common], help="compare bigrams, a recurrent network and GPT-2s on one corpus"
    )
    parser.add_argument("sources", nargs="*", metavar="SOURCE", help="the corpus's sources, in place of the recipe's")
    parser.add_argument("--run", type=Path, required=True, metavar="DIR", help="the run's folder")
    parser.add_argument("--minutes", type=float, metavar="N", help="training time of all networks together")
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> None:
    changes = list(options.set)
    if options.minutes is not None:
        changes.append(f"ladder.minutes={options.minutes}")
    default = None if options.recipe is None and _is_started(options.run) else options.recipe or RECIPE
    recipe = recipe_of_run(default, options.run, changes, sources=options.sources)
    climb_all(recipe, options.run)


def _is_started(run_dir: Path) -> bool:
    return (run_dir / "recipe.toml").is_file()


def climb_all(recipe: Recipe, run_dir: Path) -> None:
    """Collect, encode, climb and report; what is finished is not done again.

    Raises: CorpusError when there is no held-out text; whatever a stage or training raises.
    """
    from trainer.stages import STAGES, run_chain

    run_chain(recipe, run_dir, _say, tuple(stage for stage in STAGES if stage.name in _STAGES))
    from lsp_server.model.tokenizer import CodeTokenizer
    from trainer.ladder.heldout import HeldOut
    from trainer.ladder.report import write_report
    from trainer.ladder.rungs import climb, rungs_of

    tokenizer = CodeTokenizer.load(run_dir / "tokenizer" / "tokenizer.json")
    heldout = HeldOut.open(recipe, run_dir, tokenizer)
    results = []
    for rung in rungs_of(recipe):
        result, known = climb(rung, run_dir, tokenizer, heldout)
        results.append(result)
        how = "unchanged" if known else f"{result.seconds:.1f} s"
        _say(rung.name, f"{result.bits_per_byte:.3f} bits a byte, perplexity {result.perplexity:.1f}, {how}")
    if not results:
        raise CorpusError("the ladder has no rungs: set ladder.depths or ladder.recurrent_layers")
    sys.stdout.write(f"\n{write_report(run_dir, results, heldout, tokenizer.vocab_size)}\n\n{run_dir / 'ladder.png'}\n")


def _say(name: str, summary: str) -> None:
    sys.stdout.write(f"{name}: {summary}\n")
    sys.stdout.flush()
