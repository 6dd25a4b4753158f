"""The clock of a run counts work, and neither waits nor the time in which its process stood still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainer.fit.clock import Clock

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys, time
from trainer.fit.clock import Clock
with Clock(100.0, beat_seconds=0.05, stopped_seconds=1.0) as clock:
    print("begun", flush=True)
    sys.stdin.readline()
    print(clock.seconds, flush=True)
"""


def test_what_was_left_out_does_not_count() -> None:
    clock = Clock(60.0)
    clock.leave_out(50.0)
    assert 10 <= clock.seconds < 15


def test_time_goes_on_while_it_works() -> None:
    with Clock() as clock:
        before = clock.seconds
        time.sleep(0.2)
        assert clock.seconds - before >= 0.2


@pytest.mark.skipif(os.name == "nt", reason="Windows stops no process by a signal")
def test_a_stopped_process_spends_nothing_of_its_time() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGSTOP)
    time.sleep(3.0)
    process.send_signal(signal.SIGCONT)
    answer, _ = process.communicate("now\n", timeout=60)
    assert 100 <= float(answer) < 102, "three seconds of standing still were counted"
