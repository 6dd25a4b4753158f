"""`make bench-model`: bits per byte, completion tasks, and programs that are run. Arguments and order only.

Under 20 minutes on two cores; `--full` takes all problems and many samples. HumanEval, its infilling and MBPP are not
ours to ship: `--benchmarks DIR` is a folder with the files that their authors publish (`plan.SOURCES`).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.heldout import RECIPE
from benchmarks.model.plan import FULL, USUAL, Plan
from benchmarks.model.programs import run_programs
from benchmarks.model.text import judge_text
from benchmarks.report import publish
from lsp_server.errors import ParrotletError
from lsp_server.model.bundle import EMBEDDED, open_bundle
from trainer.recipe import load_recipe


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=EMBEDDED, help="a bundle (default: the embedded model)")
    parser.add_argument("--benchmarks", type=Path, metavar="DIR", help="where HumanEval and the others lie")
    parser.add_argument("--on", nargs="+", default=[], metavar="SOURCE", help="code in place of the held-out packages")
    parser.add_argument("--full", action="store_true", help="all problems, more tasks and samples: hours")
    parser.add_argument("--max-bytes", type=int, metavar="N", help="of held-out text to score")
    parser.add_argument("--tasks", type=int, metavar="N", help="completions of each kind to try")
    parser.add_argument("--problems", type=int, metavar="N", help="of each benchmark, to try it out")
    parser.add_argument("--samples", type=int, metavar="N", help="of each HumanEval problem")
    options = parser.parse_args(arguments)
    if options.benchmarks is not None and not options.benchmarks.is_dir():
        parser.error(f"--benchmarks {options.benchmarks} is no folder: name the one with HumanEval.jsonl.gz")
    try:
        measure(options.model, options.on, options.benchmarks, plan_of(options))
    except ParrotletError as error:
        parser.error(str(error))


def plan_of(options: argparse.Namespace) -> Plan:
    """The usual amounts or the full ones, with those that are given in their place."""
    given = {name: getattr(options, name) for name in ("max_bytes", "tasks", "samples", "problems")}
    if options.problems is not None:
        given["humaneval_problems"] = options.problems
    return replace(FULL if options.full else USUAL, **{key: value for key, value in given.items() if value is not None})


def measure(model: Path, sources: Sequence[str], benchmarks: Path | None, plan: Plan) -> None:
    """Text first, then programs; each part's figures are told and written when all are there."""
    seed = load_recipe(RECIPE).seed
    told = open_bundle(model).provenance
    provenance = {name: told[name] for name in told if name != "heldout"}  # its own figures, on the card already
    started = time.monotonic()
    lines, figures = judge_text(model, sources, plan, seed)
    judged = time.monotonic()
    more, programs = run_programs(model, benchmarks, plan, seed)
    notes = {
        "provenance": provenance,
        "plan": asdict(plan),
        "seconds": {"text": round(judged - started), "programs": round(time.monotonic() - judged)},
        **asdict(figures),
        "programs": {name: asdict(each) for name, each in programs.items()},
    }
    publish("model", [*lines, *more], notes)


if __name__ == "__main__":
    main()
