"""Runs generated programs where they can do no harm: bubblewrap, with no network, a read-only root and tight limits.

A program sees the interpreter and its standard library, a /tmp of 16 MB that vanishes, and nothing else: no home, no
network, no process but its own. Time, memory, processes, open files and file sizes are limited. Without bubblewrap
nothing is run, unless the caller says that it knows.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lsp_server.errors import EvaluationError

INSIDE = Path(__file__).with_name("inside.py")
START_SECONDS = 10.0
"""Allowed above the program's own time: on a busy machine the interpreter needs a while to begin."""
WALL_TIMES = 3.0
"""A program's time is the processor's; on the clock it gets this many times that, because the machine may be busy."""
MEMORY_BYTES = 512 * 2**20
"""Of addresses, for one process; the benchmarks' own solutions need less than 100 MB."""
MOST_PROCESSES = 16
FILE_BYTES = 16 * 2**20
REMEDY = "install bubblewrap (apt-get install bubblewrap), or say --unsafe-no-sandbox to run generated code unprotected"
_SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/nix/store")
_MOST_SAID = 1000
_OUT_OF_TIME = (-signal.SIGXCPU, 128 + signal.SIGXCPU)
"""How a program ends that has used up its processor time, and how bubblewrap passes that on."""
Verdict = Literal["passed", "failed", "timed out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one program ended."""

    verdict: Verdict
    message: str = ""
    """The exception that ended it."""

    @property
    def passed(self) -> bool:
        return self.verdict == "passed"


class Sandbox:
    """Runs programs one by one or from several threads; made by `open_sandbox`."""

    def __init__(self, command: tuple[str, ...], seconds: float, *, is_safe: bool) -> None:
        self._command = command
        self._seconds = seconds
        self._is_safe = is_safe

    def run(self, program: str) -> Outcome:
        """Run a program to its end, or to the end of its time."""
        word = secrets.token_hex(16)
        order = {"word": word, "limits": self._limits(), "become_nobody": self._is_safe and os.geteuid() == 0}
        said, late = self._ask(json.dumps(order).encode() + b"\n" + program.encode(errors="replace"))
        if said == word:
            return Outcome(verdict="passed")
        if late or not said:
            return Outcome(verdict="timed out" if late else "failed", message=said or "ended without a word")
        return Outcome(verdict="failed", message=said)

    def _limits(self) -> dict[str, int]:
        limits = {
            "RLIMIT_AS": MEMORY_BYTES,
            "RLIMIT_CPU": max(1, round(self._seconds)),
            "RLIMIT_FSIZE": FILE_BYTES,
            "RLIMIT_NOFILE": 64,
            "RLIMIT_CORE": 0,
        }
        return (
            {**limits, "RLIMIT_NPROC": MOST_PROCESSES} if self._is_safe else limits
        )  # outside it counts all of a user's

    def _ask(self, order: bytes) -> tuple[str, bool]:
        """What the program's runner said, and whether it was stopped for taking too long."""
        process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()
        timer = threading.Timer(WALL_TIMES * self._seconds, _stop, (process, late))
        timer.start()
        try:
            with contextlib.suppress(BrokenPipeError), process.stdin as stream:  # what it says tells why it had enough
                stream.write(order)
            said = process.stdout.read(_MOST_SAID).decode("utf-8", "replace")
            if not said:
                process.wait()  # how it ended is all there is to know
        finally:
            timer.cancel()
            process.kill()  # with it goes every process of its namespace
            process.wait()
            process.stdout.close()
        return said, late.is_set() or process.returncode in _OUT_OF_TIME


def _stop(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    process.kill()


def open_sandbox(seconds: float, *, unsafe: bool = False) -> Sandbox:
    """A sandbox that has been tried, with `seconds` of processor time for each program.

    `unsafe` runs programs as they are, with nothing but limits. Raises: EvaluationError where there is no sandbox.
    """
    if os.name != "posix":
        raise EvaluationError("generated code can only be run on Linux, where bubblewrap protects from it")
    python = (os.path.realpath(sys.executable), "-I", "-S")
    if unsafe:
        return Sandbox((*python, str(INSIDE)), seconds, is_safe=False)
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise EvaluationError(f"no bubblewrap (bwrap) here, and generated code is not run without it: {REMEDY}")
    command = (bwrap, *_walls(), *python, "/inside.py")
    _try_out(command)
    return Sandbox(command, seconds, is_safe=True)


def _walls() -> list[str]:
    """bubblewrap's arguments."""
    # root needs no user namespace, and keeps only what it takes to become nobody
    privileges = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    namespaces = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    alone = [*namespaces, *privileges] if os.geteuid() == 0 else ["--unshare-all"]
    interpreter = Path(os.path.realpath(sys.executable))
    binds = [word for path in _SYSTEM_FOLDERS for word in ("--ro-bind-try", path, path)]
    for path in (str(interpreter.parent), sys.base_prefix, sysconfig.get_path("stdlib")):
        if not path.startswith("/usr/"):
            parents = reversed(Path(path).parents[:-1])  # open to nobody, even where they are another user's home
            binds += [word for parent in parents for word in ("--perms", "0755", "--dir", str(parent))]
            binds += ["--ro-bind", path, path]
    return [
        *alone,
        *("--die-with-parent", "--new-session", "--clearenv", "--setenv", "PYTHONHASHSEED", "0"),
        *(*binds, "--ro-bind", str(INSIDE), "/inside.py"),
        *("--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"),
        *("--size", str(FILE_BYTES), "--perms", "1777", "--tmpfs", "/tmp"),
        *("--remount-ro", "/", "--chdir", "/tmp"),
    ]


def _try_out(command: tuple[str, ...]) -> None:
    """Raises: EvaluationError with bubblewrap's own words when it cannot run an empty program."""
    order = json.dumps({"word": "works", "limits": {}, "become_nobody": os.geteuid() == 0}).encode() + b"\n"
    order += b"import fractions"  # something of the standard library that the interpreter does not load by itself
    try:
        result = subprocess.run(command, input=order, capture_output=True, timeout=START_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EvaluationError(f"bubblewrap does not run here ({error}): {REMEDY}") from error
    if result.stdout != b"works":
        said = " ".join((result.stderr or result.stdout).decode("utf-8", "replace").split())[:300]
        raise EvaluationError(
            f"bubblewrap does not work here ({said or f'status {result.returncode}'}): allow user namespaces, "
            "or say --unsafe-no-sandbox to run generated code unprotected"
        )
