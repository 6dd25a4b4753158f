"""`parrotlet-train`: arguments in, one stage or the whole chain out. Wiring only.

Stages are imported when they run, so that a mistake in a recipe is told at once and not after torch has loaded.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lsp_server.broken_pipe import silent_end
from lsp_server.errors import CorpusError, ParrotletError, RecipeError
from trainer import catalogue, evaluate_cli, export_cli
from trainer.ablation import command as ablation
from trainer.corpus import provenance
from trainer.corpus.command import add_arguments, build_from_options
from trainer.ladder import command as ladder
from trainer.personal import command as personal
from trainer.plan.command import add_plan_command, add_plan_options, planned_recipe
from trainer.simulate import command as simulate
from trainer.tuning import interpolation
from trainer.windows import add_window_options, window_changes

if TYPE_CHECKING:
    from trainer.config import Recipe

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
_STAGES = {
    "tokenizer": "learn the vocabulary from the corpus",
    "pack": "turn the corpus into token shards",
    "fit": "train the model, or go on where it was stopped",
    "export": "write the bundle that `parrotlet` serves",
    "evaluate": "measure the bundle on what was held out",
    "card": "write the model card into the bundle",
}
_ALSO_WITHOUT_A_RUN = {"evaluate": evaluate_cli.add_arguments, "export": export_cli.add_export}


@silent_end()
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.WARNING, stream=sys.stderr)
    try:
        options.command(options)
    except ParrotletError as error:
        if options.verbose:
            traceback.print_exc()
        sys.stderr.write(f"parrotlet-train: {error}\n")
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        sys.stderr.write("parrotlet-train: interrupted; finished stages and checkpoints are kept\n")
        return EXIT_INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="parrotlet-train", description="Train a code completion model on your code.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--verbose", action="store_true", help="log more, and show where an error arose")
    common.add_argument("--recipe", help="TOML file, or the name of a shipped recipe; RUN/recipe.toml is remembered")
    common.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one value of the recipe, and remember it",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    corpus = commands.add_parser("corpus", parents=[common], help="collect the text to train on")
    add_arguments(corpus)
    corpus.set_defaults(command=_corpus)
    for name, purpose in _STAGES.items():
        stage = commands.add_parser(name, parents=[common], help=purpose)
        stage.set_defaults(command=_run_one, stage=name)
        if name in _ALSO_WITHOUT_A_RUN:
            _ALSO_WITHOUT_A_RUN[name](stage, _run_one)
            continue
        stage.add_argument("--run", type=Path, required=True, metavar="DIR", help="the run's folder")
        add_window_options(stage)
    chain = commands.add_parser("run", parents=[common], help="do all of it, leaving out what is finished")
    chain.add_argument("--run", type=Path, required=True, metavar="DIR", help="the run's folder")
    add_window_options(chain)
    add_plan_options(chain)
    chain.set_defaults(command=_run_all)
    add_plan_command(commands, common, _report)
    export_cli.add_push(commands.add_parser("push", parents=[common], help="send a bundle to the Hugging Face Hub"))
    ladder.add_parser(commands, common)
    ablation.add_parser(commands, common)
    catalogue.add_parser(commands, common)
    interpolation.add_parser(commands, common)
    simulate.add_parser(commands, common)
    provenance.add_parser(commands, common)
    personal.add_parser(commands, common)
    return parser


def _corpus(options: argparse.Namespace) -> None:
    if not options.sources:
        if options.run is None:
            raise CorpusError("nothing to collect: name sources and --out, or --recipe and --run")
        options.stage = "corpus"
        _run_one(options)
        return
    if options.out is None or options.recipe is not None or options.run is not None:
        raise CorpusError("sources on the command line go with --out, and a recipe with --run: use one of the two")
    _report("corpus", build_from_options(options))


def _run_one(options: argparse.Namespace) -> None:
    from trainer.stages import STAGES, run_stage

    (stage,) = (stage for stage in STAGES if stage.name == options.stage)
    _report(stage.name, run_stage(stage, _recipe(options), options.run))


def _run_all(options: argparse.Namespace) -> None:
    from trainer.stages import run_chain

    if options.minutes is None:
        if options.plan:
            raise RecipeError("--plan goes with --minutes: say how long the training may take")
        return run_chain(_recipe(options), options.run, _report)
    recipe = planned_recipe(options, _report)
    return None if options.plan else run_chain(recipe, options.run, _report)


def _recipe(options: argparse.Namespace) -> Recipe:
    from trainer.run_recipe import recipe_of_run

    return recipe_of_run(options.recipe, options.run, [*options.set, *window_changes(options)])


def _report(stage: str, summary: str) -> None:
    if os.environ.get("RANK", "0") != "0":
        return  # of the processes of `accelerate launch`, the first reports
    sys.stdout.write(f"{stage}: {summary}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
