"""`make bench-vscode`: the extension's activation, and what it adds to the server's answer, in the real workbench."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

from benchmarks.report import publish
from benchmarks.vscode.figures import figures

RUN = Path(__file__).parents[2] / "tests" / "e2e" / "vscode" / "run.sh"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vscode", description=__doc__)
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bench.json"
        subprocess.run([RUN, "bench"], env={**os.environ, "PARROTLET_BENCH": str(file)}, check=True)
        measured = json.loads(file.read_text(encoding="utf-8"))
    found = figures(measured["activation_ms"], measured["keystrokes"])
    publish("vscode", found, {"keystrokes": len(measured["keystrokes"])})


if __name__ == "__main__":
    main()
