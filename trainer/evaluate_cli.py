"""`parrotlet-train evaluate`: a run's model or any other, on held-out text, any code, and benchmarks that run code.

Wiring only; torch is loaded when the work begins.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lsp_server.errors import EvaluationError
from lsp_server.model.embedded import named_model
from trainer.task_kinds import KINDS

if TYPE_CHECKING:
    from trainer.evaluate.code.problems import Problem
    from trainer.evaluate.respondent import Draw

_SECONDS = 6.0
"""HumanEval and MBPP's own solutions need 3 at most on a slow core."""


def add_arguments(parser: argparse.ArgumentParser, run_stage: Callable[[argparse.Namespace], None]) -> None:
    """`run_stage` judges a run's bundle on what its corpus held out."""
    text = parser.add_argument_group("which model, on which text")
    text.add_argument(
        "--run", type=Path, metavar="DIR", help="the run's folder: its bundle, on what its corpus held out"
    )
    text.add_argument(
        "--model",
        type=named_model,
        metavar="DIR",
        help="a bundle, `embedded`, or a model from the Hub, with --on or a benchmark",
    )
    text.add_argument("--on", nargs="+", default=[], metavar="SOURCE", help="folders, repositories, package:NAME")
    kinds = ",".join(KINDS)
    text.add_argument("--tasks", default=kinds, metavar="KINDS", help=f"of {kinds} (default: all)")
    text.add_argument("--num-tasks", type=int, default=400, metavar="N", help="of each kind (default: 400)")
    text.add_argument("--max-bytes", type=int, default=1_000_000, metavar="N", help="of text (default: 1,000,000)")
    text.add_argument("--seed", type=int, default=0, help="of tasks and samples (default: 0)")
    text.add_argument(
        "--out", type=Path, metavar="DIR", help="where JSON results go (default: RUN/evaluation, or none)"
    )
    code = parser.add_argument_group("benchmarks that run generated code, in a sandbox (bubblewrap)")
    for name in ("humaneval", "mbpp"):
        code.add_argument(f"--{name}", type=Path, metavar="FILE", help="its JSONL file, plain or .gz")
    code.add_argument("--infilling", type=Path, nargs="+", default=[], metavar="FILE", help="HumanEval-infilling files")
    code.add_argument("--samples", type=int, default=1, metavar="N", help="of each problem (default: 1, greedy)")
    code.add_argument("--temperature", type=float, metavar="T", help="(default: 0 for 1 sample, 0.4 for more)")
    code.add_argument("--top-p", type=float, default=0.95, metavar="P", help="(default: 0.95)")
    code.add_argument("--new-tokens", type=int, default=256, metavar="N", help="of an answer; at most half the window")
    code.add_argument("--limit", type=int, metavar="N", help="only the first N problems of each file")
    code.add_argument("--canonical", action="store_true", help="run the benchmarks' own solutions: all should pass")
    code.add_argument("--seconds", type=float, default=_SECONDS, help=f"of processor time (default: {_SECONDS:g})")
    code.add_argument("--unsafe-no-sandbox", action="store_true", help="run generated code with your own rights")
    parser.set_defaults(command=lambda options: _evaluate(options, run_stage))


def _evaluate(options: argparse.Namespace, run_stage: Callable[[argparse.Namespace], None]) -> None:
    benchmarks = _benchmarks(options)
    _check(options, has_benchmarks=bool(benchmarks))
    folder = options.out or (options.run / "evaluation" if options.run else None)
    if options.on:
        _evaluate_on(options, folder)
    elif options.run is not None and not benchmarks:
        run_stage(options)
    if benchmarks:
        _run_benchmarks(options, benchmarks, folder)


def _check(options: argparse.Namespace, *, has_benchmarks: bool) -> None:
    if options.run is None and options.model is None and not options.canonical:
        raise EvaluationError("no model to judge: give --run DIR, or --model DIR with --on SOURCE or a benchmark")
    if options.run is None and not options.on and not has_benchmarks:
        raise EvaluationError("nothing to judge by: give --on SOURCE, --humaneval, --mbpp or --infilling FILE")
    if options.run is not None and options.model is not None:
        raise EvaluationError("--run and --model are both given: a run judges its own bundle, use one of the two")
    if options.run is not None and options.on and options.out is None:
        raise EvaluationError("--run with --on needs --out DIR: RUN/evaluation is for what its corpus held out")
    if options.num_tasks < 0 or options.samples < 1 or options.seconds < 1 or options.new_tokens < 1:
        raise EvaluationError("--num-tasks counts from 0; --samples, --seconds and --new-tokens from 1")


def _model(options: argparse.Namespace) -> Path:
    path: Path = options.run / "bundle" if options.run is not None else options.model
    return path


def _evaluate_on(options: argparse.Namespace, folder: Path | None) -> None:
    from trainer.config import EvaluateConfig
    from trainer.evaluate import evaluate_model, write_figures
    from trainer.evaluate.figures import draw_documents
    from trainer.evaluate.sources import read_sources
    from trainer.evaluate.table import figure_lines

    kinds = tuple(kind for kind in KINDS if kind in options.tasks.split(","))
    if unknown := sorted(set(options.tasks.split(",")) - set(KINDS)):
        raise EvaluationError(f"--tasks has {', '.join(unknown)}: choose of {', '.join(KINDS)}")
    config = EvaluateConfig(max_bytes=options.max_bytes, tasks=options.num_tasks, kinds=kinds)
    documents = draw_documents(read_sources(options.on), config.max_bytes)
    figures, answers = evaluate_model(_model(options), documents, config, options.seed)
    if folder is not None:
        write_figures(folder, figures, answers)
    _print(figure_lines(figures))


def _benchmarks(options: argparse.Namespace) -> list[tuple[str, Path]]:
    named = [(name, getattr(options, name)) for name in ("humaneval", "mbpp")]
    return [*((name, path) for name, path in named if path), *(("infilling", path) for path in options.infilling)]


def _run_benchmarks(options: argparse.Namespace, benchmarks: list[tuple[str, Path]], folder: Path | None) -> None:
    from trainer.evaluate.code.pass_at_k import figures_by_group, judge, sample
    from trainer.evaluate.code.problems import read_problems
    from trainer.evaluate.code.results import write_results
    from trainer.evaluate.code.sandbox import open_sandbox
    from trainer.evaluate.table import code_lines

    problems: list[Problem] = []
    for name, path in benchmarks:
        problems += read_problems(name, path, every=options.canonical)[: options.limit]  # type: ignore[arg-type]
    sandbox = open_sandbox(options.seconds, unsafe=options.unsafe_no_sandbox)  # refused before anything is sampled
    draw = _draw(options)
    answers = (
        [(problem.canonical,) for problem in problems] if options.canonical else sample(_model(options), problems, draw)
    )
    judged = judge(problems, answers, sandbox)
    figures = figures_by_group(judged, draw)
    if folder is not None and not options.canonical:
        write_results(folder, figures, judged)
    _print(code_lines(figures))
    if options.canonical and (failed := [each for each in judged if not each.num_passed]):
        first = failed[0]
        raise EvaluationError(
            f"{len(failed)} of {len(judged)} solutions of the benchmarks themselves do not pass here, such as "
            f"{first.problem.name} ({first.outcomes[0].verdict}: {first.outcomes[0].message}): raise --seconds"
        )


def _draw(options: argparse.Namespace) -> Draw:
    from trainer.evaluate.respondent import Draw

    temperature = options.temperature if options.temperature is not None else (0.4 if options.samples > 1 else 0.0)
    if options.samples > 1 and temperature == 0.0:
        raise EvaluationError(f"--samples is {options.samples} at temperature 0, which draws one answer: raise it")
    return Draw(
        num=options.samples,
        temperature=temperature,
        top_p=options.top_p,
        seed=options.seed,
        max_new_tokens=options.new_tokens,
    )


def _print(lines: list[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
