"""`make bench-trainer`: all modules that measure the trainer, one after the other."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
from collections.abc import Sequence

from benchmarks.report import publish

MODULES = ("corpus", "packing", "chunked_loss", "loop", "evaluate", "ladder")
"""Each has `figures(quick: bool) -> list[Figure]`; those that do not exist are left out."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less text and fewer repeats: figures to try it out with")
    parser.add_argument("--only", choices=MODULES, action="append", help="this module's figures (repeatable)")
    options = parser.parse_args(arguments)
    names = [f"benchmarks.trainer.{name}" for name in options.only or MODULES]
    present = [name for name in names if importlib.util.find_spec(name)]
    measured = [figure for name in present for figure in importlib.import_module(name).figures(options.quick)]
    publish("trainer", measured, {"quick": options.quick})


if __name__ == "__main__":
    main()
