"""Starts an engine process and waits until it can be reached. Knows no messages; imports no torch."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from lsp_server.engine.address import EngineAddress, log_file
from lsp_server.engine.choice import EngineChoice
from lsp_server.errors import EngineUnavailableError

START_SECONDS = 30.0
"""Python and a socket take a quarter of a second; the model is loaded after the engine can be reached."""
MAX_LOG_BYTES = 2**20
DEFAULT_IDLE_MINUTES = 30.0
"""Long enough for a meeting; the next keystroke after it waits about two seconds for the model."""
READY_LINE = b"ready\n"
"""An engine writes it to its standard output once clients can connect; the model may still be loading."""


def engine_command(choice: EngineChoice, idle_minutes: float) -> list[str]:
    command = [sys.executable, "-m", "lsp_server.cli", "engine", "--idle-minutes", str(idle_minutes)]
    command += ["--device", choice.device, "--backend", choice.backend]
    if choice.model is not None:
        command += ["--model", str(choice.model.expanduser().resolve())]
    if choice.threads is not None:
        command += ["--threads", str(choice.threads)]
    return command


async def start_engine(command: list[str], address: EngineAddress) -> None:
    """Start a process that outlives this one; returns when it listens.

    Raises: EngineUnavailableError when it cannot be started or ends at once.
    """
    log = log_file()
    try:
        process = await asyncio.to_thread(_spawn, command, address.folder, log)
    except OSError as error:
        raise EngineUnavailableError(f"the engine cannot be started ({error}): run `parrotlet doctor`") from error
    # Whoever waits for a child keeps it from becoming a zombie when it leaves; a daemon thread costs nothing at exit.
    threading.Thread(target=process.wait, name="parrotlet-reaper", daemon=True).start()
    try:
        line = await asyncio.wait_for(asyncio.to_thread(_first_line, process), START_SECONDS)
    except asyncio.TimeoutError:
        process.kill()
        raise EngineUnavailableError(f"the engine did not start in {START_SECONDS:.0f} s: see {log}") from None
    if line != READY_LINE:
        raise EngineUnavailableError(f"the engine ended while it was starting: see {log}")


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    """What it says first; empty when it ends before it says anything."""
    assert process.stdout is not None
    with process.stdout as stream:
        return stream.readline()


def _spawn(command: list[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """The working folder is the private one: `python -m` would import modules from an editor's workspace."""
    _rotate(log)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=descriptor,
            cwd=folder,
            **_detached(),
        )
    finally:
        os.close(descriptor)


def _detached() -> dict[str, Any]:  # Any: keyword arguments of Popen
    """Signals and windows of this process's console are not the engine's."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _rotate(log: Path) -> None:
    with contextlib.suppress(OSError):
        if log.stat().st_size > MAX_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
