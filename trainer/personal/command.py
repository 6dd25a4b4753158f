"""`parrotlet-train personal FOLDER...`: its options, and how it tells what comes of it. Wiring only."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING

from lsp_server.errors import ParrotletError
from trainer.personal.telling import teller
from trainer.personal.wish import DEFAULT_MINUTES, Wish, name_for, recipe_for

if TYPE_CHECKING:
    from trainer.config import Recipe


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "personal",
        parents=[common],
        help="train a model on your repositories, prove that it is better, and let it answer in your editors",
    )
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="your repositories; together they teach more")
    parser.add_argument(
        "--minutes",
        type=float,
        default=DEFAULT_MINUTES,
        metavar="N",
        help="for all of it, about (default: %(default)g)",
    )
    parser.add_argument("--name", metavar="NAME", help="the model's (default: the only repository's, or `personal`)")
    parser.add_argument(
        "--base", default="embedded", metavar="DIR", help="the model to start from (default: the embedded one)"
    )
    parser.add_argument(
        "--progress", choices=("bar", "json"), default="bar", help="json: an object a line, for editors"
    )
    parser.add_argument("--watch", action="store_true", help="stay, and train again when enough has changed")
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> None:
    began = time.time()
    wish = Wish(
        folders=tuple(options.folders),
        name=options.name or name_for(options.folders),
        minutes=options.minutes,
        base=options.base,
        changes=tuple(options.set),
    )
    recipe = recipe_for(wish)  # a mistake is told before torch has loaded
    if os.environ.get("RANK", "0") != "0":
        from trainer.personal.joining import join

        return join(wish, recipe, began)
    from trainer.personal import courtesy

    courtesy.step_back()
    if not options.watch:
        return _train(wish, recipe, options.progress)
    from trainer.personal.watching import watch

    return watch(wish, recipe, lambda wish, recipe: _train_and_stay(wish, recipe, options.progress))


def _train(wish: Wish, recipe: Recipe, progress: str) -> None:
    with teller(progress) as told:
        from trainer.personal.training import train

        train(wish, recipe, told)


def _train_and_stay(wish: Wish, recipe: Recipe, progress: str) -> None:
    """A training that fails, for want of code or another that runs, is told and tried again behind the next change."""
    try:
        _train(wish, recipe, progress)
    except ParrotletError as error:
        sys.stderr.write(f"parrotlet-train: {error}\n")
