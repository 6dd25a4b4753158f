"""`parrotlet doctor`: what is installed, which model and device run, what is wrong and its remedy. Changes nothing."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from lsp_server import __version__
from lsp_server.assembly import make_engine
from lsp_server.engine.api import Engine, EngineState, EngineStatus
from lsp_server.engine.choice import EngineChoice
from lsp_server.errors import ParrotletError
from lsp_server.library.choice import model_in_use
from lsp_server.model.bundle import Bundle
from lsp_server.model.opening import open_model

PACKAGES = ("torch", "tokenizers", "safetensors", "pygls", "lsprotocol", "platformdirs")
LEAST_MEMORY_GIB = 1.0
"""The resident engine takes about 0.4 GiB with the embedded model, most of it torch."""
LOADING_SECONDS = 60.0
GPU_REMEDY = "close what else uses the GPU, and reload the model; or choose --device cpu"


class Health(str, Enum):
    OK = "ok"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    health: Health
    detail: str
    remedy: str = ""


def examine(choice: EngineChoice) -> Iterator[Finding]:
    """Look at everything in turn; a problem in one place hides no other."""
    checks: tuple[Callable[[], Finding], ...] = (
        _python,
        _packages,
        _command,
        _memory,
        _kernel,
        lambda: _model(choice.model or model_in_use()),
        lambda: _device(choice.device),
        lambda: asyncio.run(_engine(choice)),
    )
    for check in checks:
        yield check()


def as_line(finding: Finding) -> str:
    remedy = f"\n{'':19}-> {finding.remedy}" if finding.remedy else ""
    return f"[{finding.health.value:>4}] {finding.subject:<11} {finding.detail}{remedy}"


def _python() -> Finding:
    detail = f"Python {platform.python_version()} on {platform.platform(terse=True)}, Parrotlet {__version__}"
    return Finding(subject="system", health=Health.OK, detail=detail)


def _packages() -> Finding:
    versions, missing = [], []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        detail, remedy = f"{', '.join(missing)} missing", "pip install --force-reinstall parrotlet"
        return Finding(subject="packages", health=Health.BAD, detail=detail, remedy=remedy)
    return Finding(subject="packages", health=Health.OK, detail=", ".join(versions))


def _command() -> Finding:
    """Editors start `parrotlet` by name."""
    found = shutil.which("parrotlet")
    if found is None:
        remedy = "add the environment's bin folder to PATH, or give your editor the full path"
        return Finding(
            subject="command",
            health=Health.NOTE,
            detail="no `parrotlet` on PATH, editors may not find it",
            remedy=remedy,
        )
    return Finding(subject="command", health=Health.OK, detail=found)


def _memory() -> Finding:
    try:
        free_gib = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, ValueError, OSError):  # neither Windows nor macOS can tell this way
        return Finding(subject="memory", health=Health.NOTE, detail="free memory is not known here")
    if free_gib < LEAST_MEMORY_GIB:
        remedy = "close something, or the engine may be ended by the system"
        return Finding(subject="memory", health=Health.NOTE, detail=f"only {free_gib:.1f} GiB free", remedy=remedy)
    return Finding(subject="memory", health=Health.OK, detail=f"{free_gib:.1f} GiB free")


def _kernel() -> Finding:
    """Whether the fast back end runs here, and if not, why."""
    from lsp_server.engine.native.library import instruction_sets

    try:
        found = instruction_sets()
    except ParrotletError as error:
        detail, _, remedy = str(error).rpartition(": ")
        return Finding(
            subject="kernel", health=Health.NOTE, detail=f"{detail}, so torch decodes, which is slower", remedy=remedy
        )
    return Finding(subject="kernel", health=Health.OK, detail=f"native int8, with {found[0]}")


def _model(path: Path) -> Finding:
    try:
        model = open_model(path)
    except ParrotletError as error:
        return _problem("model", error)
    size_mb = model.weights_bytes / 1e6
    window = model.prompts.context_tokens
    kind = "int8 weights" if isinstance(model, Bundle) and model.is_int8 else "weights"
    detail = f"{model.title}, {size_mb:.0f} MB of {kind}, window {window} tokens, at {model.path}"
    return Finding(subject="model", health=Health.OK, detail=detail)


def _device(name: str) -> Finding:
    from lsp_server.engine.device import choose_device, compute_dtype

    try:
        device = choose_device(name)
    except ParrotletError as error:
        return _problem("device", error)
    dtype = str(compute_dtype(device)).removeprefix("torch.")
    return Finding(subject="device", health=Health.OK, detail=f"{name} is {device}, computing in {dtype}")


async def _engine(choice: EngineChoice) -> Finding:
    """Reach the shared engine, or start it, and wait for the model."""
    engine = make_engine(choice, in_process=False)
    started = time.monotonic()
    try:
        status = await _settled(engine, started + LOADING_SECONDS)
    except ParrotletError as error:
        return _problem("engine", error)
    finally:
        await engine.close()
    seconds = time.monotonic() - started
    if status.state is EngineState.READY:
        what = f"{status.backend} on {status.device}, ready in {seconds:.1f} s, process {status.pid}"
        detail = f"{what}{_memory_of(status)}, {_usage_of(status)}"
        if status.message:
            detail = f"{status.message}; {detail}"
            return Finding(subject="engine", health=Health.NOTE, detail=detail, remedy=GPU_REMEDY)
        return Finding(subject="engine", health=Health.OK, detail=detail)
    detail = status.message or f"still loading after {seconds:.0f} s"
    return Finding(
        subject="engine", health=Health.BAD, detail=detail, remedy="run `parrotlet engine --verbose` and read on"
    )


def _memory_of(status: EngineStatus) -> str:
    return f" with {status.memory_bytes / 1e6:.0f} MB" if status.memory_bytes else ""


def _usage_of(status: EngineStatus) -> str:
    if status.hit_rate is None:
        return "no requests so far"
    return f"{status.num_requests} requests so far, {status.hit_rate:.0%} of their prompts read before"


async def _settled(engine: Engine, give_up: float) -> EngineStatus:
    while True:
        status = await engine.status()
        if status.state is not EngineState.LOADING or time.monotonic() > give_up:
            return status
        await asyncio.sleep(0.1)


def _problem(subject: str, error: ParrotletError) -> Finding:
    detail, _, remedy = str(error).rpartition(": ")
    return Finding(subject=subject, health=Health.BAD, detail=detail or remedy, remedy=remedy if detail else "")
