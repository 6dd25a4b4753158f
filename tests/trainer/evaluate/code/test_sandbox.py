"""What a generated program may not do, in the real sandbox; where there is none, the tests are skipped aloud."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lsp_server.errors import EvaluationError
from trainer.evaluate.code.sandbox import MOST_PROCESSES, Sandbox, open_sandbox

FILL_THE_DISK = "for number in range(64):\n    open(f'/tmp/{number}', 'wb').write(bytes(1 << 20))"
FLOOD = """
import os
while True:
    for number in range(3, 64):
        try:
            os.write(number, b"x" * 65536)
        except OSError:
            pass
"""
FORK_BOMB = """
import os, time
count = 0
while True:
    try:
        if os.fork() == 0:
            time.sleep(60)
    except OSError:
        raise SystemExit(f"stopped at {count}")
    count += 1
"""


def test_a_program_that_reaches_its_end_passes(sandbox: Sandbox) -> None:
    assert sandbox.run("import math\nassert math.pi > 3").passed


@pytest.mark.parametrize(
    ("program", "message", "reason"),
    [
        ("assert 1 == 2, 'no'", "AssertionError: no", "a test that fails"),
        ("def f(:", "SyntaxError", "no Python"),
        ("import sys; sys.exit(0)", "SystemExit: 0", "leaving early is no pass"),
        ("import os; os._exit(0)", "ended without a word", "nor is leaving at once"),
        ("print('x' * 10_000_000); assert False", "AssertionError", "what it prints is nobody's verdict"),
        ("input()", "EOFError", "its order and its word are not on its input"),
        ("import socket; socket.create_connection(('192.0.2.1', 80), 1)", "Network is unreachable", "no network"),
        ("open('/usr/owned', 'w')", "Read-only file system", "no writing into the system"),
        ("open('/owned', 'w')", "Read-only file system", "nor into the root"),
        ("open('/dev/shm/owned', 'w')", "Read-only file system", "nor into shared memory"),
        (FILL_THE_DISK, "No space left", "no filling of the disk"),
        ("x = bytearray(1 << 31)", "MemoryError", "no 2 GB of memory"),
        ("def f(): f()\nf()", "RecursionError", "endless recursion"),
        ("import os; os.kill(os.getppid(), 9); assert False", "", "its parent is out of reach"),
    ],
)
def test_what_it_must_not_do_fails(sandbox: Sandbox, program: str, message: str, reason: str) -> None:
    outcome = sandbox.run(program)
    assert outcome.verdict == "failed", reason
    assert message in outcome.message, reason


def test_an_endless_loop_is_stopped() -> None:
    with_little_time = _open(1.0)
    assert with_little_time.run("while True:\n    pass").verdict == "timed out"


def test_a_fork_bomb_comes_no_further_than_the_limit_and_leaves_nothing_behind(sandbox: Sandbox) -> None:
    outcome = sandbox.run(FORK_BOMB)
    assert outcome.message.startswith("SystemExit: stopped at ")
    assert int(outcome.message.split()[-1]) < MOST_PROCESSES


def test_a_flood_of_output_does_not_fill_the_memory_of_the_judge(sandbox: Sandbox) -> None:
    outcome = sandbox.run(FLOOD)
    assert not outcome.passed
    assert len(outcome.message) <= 1000


def test_the_file_system_of_the_user_is_not_there(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    program = f"import os\nassert not os.path.exists({str(tmp_path)!r})\nassert not os.path.exists({str(Path.cwd())!r})"
    assert sandbox.run(program).passed


def test_nothing_of_the_environment_is_there(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert sandbox.run("import os\nassert 'HF_TOKEN' not in os.environ").passed


def test_without_bubblewrap_nothing_is_run_and_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EvaluationError, match=r"install bubblewrap.*--unsafe-no-sandbox"):
        open_sandbox(1.0)


def test_a_bubblewrap_that_does_not_work_is_told_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(EvaluationError, match=r"uid map: Permission denied.*user namespaces"):
        open_sandbox(1.0)


def test_who_says_so_runs_programs_without_a_sandbox_but_with_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    bare = open_sandbox(1.0, unsafe=True)
    assert bare.run("x = 1").passed
    assert bare.run("x = bytearray(1 << 31)").verdict == "failed"


def _open(seconds: float) -> Sandbox:
    try:
        return open_sandbox(seconds)
    except EvaluationError as error:
        pytest.skip(f"NOT TESTED, generated code cannot be contained here: {error}")
