"""`make bench-personal REPOS="..."`: what a training on one's own repository brings, by each way to tune.

Every repository is trained on by itself with each method, in a data folder of its own, through the command
that users have; the figures are those of its reports. While the first one trains, somebody types: `parrotlet bench`
before and during tells what the training costs completions. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import Figure, publish
from lsp_server.data_folder import FOLDER_VARIABLE
from trainer.personal.wish import name_for

METHODS = {
    "full": (),
    "blocks": ("tuning.method=blocks",),
    "lora": ("tuning.method=lora", "fit.optimizer=adamw", "fit.learning_rate=3e-3"),
}
"""LoRA needs about ten times the rate of full fine-tuning, and Muon is for whole matrices."""
CANARIES = 50
LINE_POINTS_TARGET = 5.0
BITS_SHARE_TARGET = 12.0
FORGOTTEN_TARGET = 2.0
SLOWER_TARGET = 1.5
BENCH_SECONDS = 20
Entry = dict[str, Any]  # Any: JSON


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repositories", nargs="+", metavar="REPO", help="three of different kinds, none reserved")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--methods", default=",".join(METHODS), help="of full,blocks,lora (default: all)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="parrotlet-bench-") as folder:
        environment = {**os.environ, FOLDER_VARIABLE: folder}
        idle = typing_ms(environment)
        reports: list[tuple[str, Entry]] = []
        busy = None
        for repository in options.repositories:
            for method in options.methods.split(","):
                title = f"{name_for([repository])}, {method}"
                print(f"== {title}: {options.minutes:g} minutes", flush=True)
                report, during = train(repository, method, options.minutes, environment, measure=busy is None)
                busy = during if busy is None else busy
                reports.append((title, report))
    figures = [figure for title, report in reports for figure in figures_of(title, report)]
    if busy is not None:
        figures.append(
            Figure(
                name="suggestion while typing, p50, in training",
                value=busy,
                unit="ms",
                peer="idle",
                peer_value=idle,
                ratio_target=SLOWER_TARGET,
            )
        )
    publish("personal", figures, {"minutes": options.minutes, "reports": dict(reports)})


def train(
    repository: str, method: str, minutes: float, environment: dict[str, str], *, measure: bool
) -> tuple[Entry, float | None]:
    """The report's figures, and the latency while it trained where that was to be measured."""
    changes = [f"packing.canaries={CANARIES}", *METHODS[method]]
    command = [sys.executable, "-m", "trainer.cli", "personal", repository, "--minutes", str(minutes)]
    command += ["--name", f"{method}-{name_for([repository])}"[:64], "--progress", "json"]
    command += [part for change in changes for part in ("--set", change)]
    during = None
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        last: Entry = {}
        for line in process.stdout:
            last = json.loads(line)
            if measure and during is None and last["stage"] == "training":
                during = typing_ms(environment)
    if process.returncode:
        raise SystemExit(process.returncode)
    report: Entry = json.loads(Path(last["report"]).with_suffix(".json").read_text(encoding="utf-8"))
    return report, during


def typing_ms(environment: dict[str, str]) -> float:
    """The p50 of suggestions that the engine is asked for while somebody types."""
    command = [sys.executable, "-m", "lsp_server.cli", "bench", "--seconds", str(BENCH_SECONDS), "--json", "-"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    return float(json.loads(done.stdout)["warm"]["p50_ms"])


def figures_of(title: str, report: Entry) -> list[Figure]:
    """Points and shares, as the targets name them."""
    lines, canaries = report["line_exact"], report["canaries"]
    return [
        Figure(
            name=f"{title}: lines exact, points more",
            value=100 * (lines["after"] - lines["before"]),
            unit="points",
            target=LINE_POINTS_TARGET,
            higher_is_better=True,
        ),
        Figure(
            name=f"{title}: bits per byte, less",
            value=100 * report["bits_per_byte_gain"],
            unit="%",
            target=BITS_SHARE_TARGET,
            higher_is_better=True,
        ),
        Figure(name=f"{title}: forgotten", value=100 * report["forgotten"], unit="%", target=FORGOTTEN_TARGET),
        Figure(name=f"{title}: canaries out", value=canaries["extracted"], unit=f"of {canaries['planted']}", target=0),
    ]


if __name__ == "__main__":
    main()
