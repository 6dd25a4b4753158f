"""A process that burns one core, as a linter or a test run beside the editor does. As a module it is that process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.engine.process import ROOT

LOOKS_EVERY = 1_000_000


@contextmanager
def competing_process() -> Iterator[int]:
    """While the block runs, so does a process that never waits; yields its id."""
    command = [sys.executable, "-m", "benchmarks.engine.competitor"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # it burns from here on
            yield process.pid
        finally:
            process.kill()


def burn() -> None:
    """Count until the parent is gone."""
    parent = os.getppid()
    print("burning", flush=True)
    while os.getppid() == parent:
        for _ in range(LOOKS_EVERY):
            pass


if __name__ == "__main__":
    burn()
