"""How long an engine takes from nothing to ready, in fresh processes. Run as a module it is such a process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from benchmarks.engine.process import ROOT, EngineProcess, runner_environment
from benchmarks.engine.samples import median


def seconds_to_ready(command: Sequence[str], log: Path) -> float:
    """From spawning a runner to its hello."""
    process = EngineProcess("parrotlet, starting", command, log)
    try:
        process.hello()
        return time.perf_counter() - process.started_at
    finally:
        process.stop()


def seconds_of_parts(bundle: Path, threads: int, repeats: int) -> dict[str, float]:
    """Medians of the parts, each process timing its own; `python` is what comes before its first line."""
    runs = [_one_run(bundle, threads) for _ in range(repeats)]
    return {part: median([run[part] for run in runs]) for part in runs[0]}


def _one_run(bundle: Path, threads: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.engine.startup", str(bundle), str(threads)]
    started = time.time()
    output = subprocess.run(
        command, cwd=ROOT, env=runner_environment(), stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    report: dict[str, float] = json.loads(output)
    return {"python": report.pop("begun_at") - started, **report}


def time_parts(bundle: Path, threads: int) -> dict[str, float]:
    """Import, open and load, one after the other in this process."""
    begun_at = time.time()  # the parent compares it with a time of its own
    marks = [time.perf_counter()]
    from lsp_server.engine.resident import ResidentModel
    from lsp_server.model.bundle import open_bundle

    marks.append(time.perf_counter())
    open_bundle(bundle)
    marks.append(time.perf_counter())
    ResidentModel.load(bundle, "cpu", threads)
    marks.append(time.perf_counter())
    importing, opening, loading = (later - earlier for earlier, later in pairwise(marks))
    return {"begun_at": begun_at, "import": importing, "open": opening, "load": loading - opening}


if __name__ == "__main__":
    print(json.dumps(time_parts(Path(sys.argv[1]), int(sys.argv[2]))))
