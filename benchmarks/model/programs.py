"""HumanEval, its infilling and MBPP: what the model writes is run in the sandbox. Owns no figure of text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.model.plan import HUMANEVAL, MBPP, SOURCES, Plan, find_benchmark, problems_of
from benchmarks.report import Figure
from lsp_server.errors import EvaluationError
from trainer.evaluate.code.pass_at_k import CodeFigures, figures_by_group, judge, sample
from trainer.evaluate.code.problems import Problem
from trainer.evaluate.code.sandbox import Sandbox, open_sandbox
from trainer.evaluate.published import beside
from trainer.evaluate.respondent import Draw

SECONDS = 6.0
"""Of processor time: the benchmarks' own solutions need 3 at most on a slow core."""
TEMPERATURE = 0.4
"""Of several samples, as `parrotlet-train evaluate` draws them."""
PASS_TARGET, SINGLE_LINE_TARGET = 3.8, 20.0
"""The embedded model's aims in per cent: HumanEval's pass@1, CodeParrot-small's; single lines given exactly."""


def run_programs(
    model: Path, folder: Path | None, plan: Plan, seed: int
) -> tuple[list[Figure], dict[str, CodeFigures]]:
    """Every benchmark of the plan whose file is in `folder`; says aloud which is left out, and why."""
    asked = list(_asked(folder, plan))
    if not asked:
        return [], {}
    try:
        sandbox = open_sandbox(SECONDS)
    except EvaluationError as error:
        print(f"programs are not run: {error}", flush=True)
        return [], {}
    lines: list[Figure] = []
    results: dict[str, CodeFigures] = {}
    for problems, samples in asked:
        for group, figures in _measure(model, problems, samples, sandbox, seed).items():
            lines += _lines(group, figures)
            results[f"{group}, {_how(figures)}"] = figures
    return lines, results


def _asked(folder: Path | None, plan: Plan) -> Iterator[tuple[list[Problem], int]]:
    """Problems, and how many samples are drawn of each."""
    names = [HUMANEVAL, *plan.infilling, *([MBPP] if plan.with_mbpp else [])]
    for name in names:
        path = find_benchmark(folder, name)
        if path is None:
            where = "name its folder with --benchmarks" if folder is None else f"not in {folder}"
            print(f"{name} is left out: {where}; it is published at {SOURCES[name]}", flush=True)
            continue
        problems = problems_of(path, name, plan.humaneval_problems if name == HUMANEVAL else plan.problems)
        yield problems, 1
        if name == HUMANEVAL and plan.samples > 1:
            yield problems, plan.samples


def _measure(model: Path, problems: list[Problem], samples: int, sandbox: Sandbox, seed: int) -> dict[str, CodeFigures]:
    draw = Draw(num=samples, temperature=TEMPERATURE if samples > 1 else 0.0, seed=seed)
    return figures_by_group(judge(problems, sample(model, problems, draw), sandbox), draw)


def _how(figures: CodeFigures) -> str:
    return "greedy" if figures.num_samples == 1 else f"{figures.num_samples} samples at {figures.temperature:g}"


def _lines(group: str, figures: CodeFigures) -> list[Figure]:
    lines = [_pass_line(group, figures, k) for k in figures.pass_at]
    if figures.num_samples == 1 and "Infilling" in group:
        target = SINGLE_LINE_TARGET if group.startswith("SingleLine") else None
        lines.append(_line(f"{group} exact, {figures.num_problems}", figures.exact.value, target=target))
    return lines


def _pass_line(group: str, figures: CodeFigures, k: str) -> Figure:
    """Beside the published figure that is nearest above: each has a harness of its own."""
    value = 100 * figures.pass_at[k].value
    published = beside(group, f"pass@{k}")
    peer = next((each for each in published if each.percent >= value), published[-1] if published else None)
    target = PASS_TARGET if (group, k, figures.num_samples) == ("HumanEval", "1", 1) else None
    name = f"{group} pass@{k}, {_how(figures)}"
    return _line(name, figures.pass_at[k].value, peer.model if peer else "", peer.percent if peer else None, target)


def _line(
    name: str, share: float, peer: str = "", peer_value: float | None = None, target: float | None = None
) -> Figure:
    return Figure(
        name=name,
        value=100 * share,
        unit="%",
        peer=peer,
        peer_value=peer_value,
        target=target,
        higher_is_better=True,
    )
