"""`parrotlet bench`: how fast suggestions come on this machine, in a minute. Changes nothing, and asks nobody else.

The engine is a new one, so that its start is measured too; one that serves editors goes on beside it. The text that is
typed is Parrotlet's own source. Knows nothing of LSP.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import TextIO

from lsp_server import __version__
from lsp_server.assembly import make_engine, open_completer
from lsp_server.completion import completer as source_module
from lsp_server.engine.address import RUNTIME_FOLDER_VARIABLE
from lsp_server.engine.api import Engine, Timings
from lsp_server.engine.choice import EngineChoice
from lsp_server.engine.recorder import Recorder
from lsp_server.errors import SettingsError
from lsp_server.figures import percentile
from lsp_server.machine import describe_machine
from lsp_server.model.bundle import EMBEDDED
from lsp_server.oneshot import wait_until_ready
from lsp_server.replay import Edit, Keystroke, Open, Phase, Player, Step
from lsp_server.settings import Settings

PACKAGES = ("parrotlet", "torch", "tokenizers")
MAX_SECONDS = 3600.0
COLD_SHARE = 0.3
"""Of the time; the rest is for typing."""
_SETTINGS = Settings(deadline_ms=60_000)
_IDLE_MINUTES = 0.5
"""Should this process be killed, its engine leaves by itself."""
_SHORTEST_LINE = 20
_SILENT_SECONDS = 2.0

Progress = Callable[[str], None]
"""Told what is being done, several times a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Times of one kind."""

    count: int
    p50_ms: float
    p95_ms: float

    @classmethod
    def of(cls, values_ms: list[float]) -> Measured:
        return cls(count=len(values_ms), p50_ms=percentile(values_ms, 50), p95_ms=percentile(values_ms, 95))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One machine's figures."""

    machine: dict[str, object]
    model: str
    device: str
    backend: str
    in_process: bool
    ready_s: float
    """From nothing to a model that answers."""
    cold: Measured
    """Suggestions in documents that the engine has not seen."""
    warm: Measured
    """Suggestions that the engine was asked for while somebody typed."""
    token_ms: float
    """Drafts that were right come along in one pass, so this is less than a pass."""
    hit_rate: float
    """Share of the prompts' tokens that were read before, 0 to 1, while somebody typed."""
    num_keystrokes: int
    served_rate: float
    """Share of the keystrokes that had less than a tenth of their prompt to read."""
    memory_mb: float
    """Of the engine's process; 0 where that is not known."""

    @property
    def tokens_per_second(self) -> float:
        return 1000 / self.token_ms if self.token_ms else 0.0


def bench(choice: EngineChoice, *, in_process: bool, seconds: float, progress: Progress) -> Report:
    """Measure. Raises: EngineError, BundleError, SettingsError."""
    if not 0.0 < seconds <= MAX_SECONDS:  # also refuses NaN
        raise SettingsError(f"--seconds is {seconds:g}: choose a value up to {MAX_SECONDS:g}, such as 40")
    return asyncio.run(_bench(choice, in_process=in_process, seconds=seconds, progress=progress))


def check_file(path: Path) -> Path:
    """The path again, before a minute is spent on figures for it. Raises: SettingsError when it cannot be written."""
    try:
        with path.open("a", encoding="utf-8"):
            return path
    except OSError as error:
        raise SettingsError(f"--json {path} cannot be written ({error.strerror}): choose another file") from error


@contextlib.contextmanager
def show_progress(stream: TextIO) -> Iterator[Progress]:
    """One line on a terminal that is written over, from the third second on; nothing elsewhere."""
    started = time.monotonic()

    def show(what: str) -> None:
        if stream.isatty() and time.monotonic() - started > _SILENT_SECONDS:
            stream.write(f"\r\x1b[K{what}")
            stream.flush()

    try:
        yield show
    finally:
        if stream.isatty():
            stream.write("\r\x1b[K")


async def _bench(choice: EngineChoice, *, in_process: bool, seconds: float, progress: Progress) -> Report:
    started = time.monotonic()
    progress("loading the model")
    async with _engine_of_our_own(choice, in_process=in_process) as own:
        engine = Recorder(own)
        completer = open_completer(choice.model, engine)
        await wait_until_ready(engine)
        ready_s = time.monotonic() - started
        text = Path(source_module.__file__).read_text(encoding="utf-8")
        times = _Times(cold_s=COLD_SHARE * seconds, typing_s=(1 - COLD_SHARE) * seconds, progress=progress)
        cold = await times.play_cold(Player(engine, completer, _SETTINGS, ahead=False), text)
        typed = await times.play_typing(Player(engine, completer, _SETTINGS), text)
        status = await engine.status()
    asked = [each for each in typed if each.is_asked]
    return Report(
        machine=describe_machine(PACKAGES),
        model=status.model,
        device=status.device,
        backend=status.backend,
        in_process=in_process,
        ready_s=ready_s,
        cold=Measured.of([each.wall_ms for each in cold if each.num_requests]),
        warm=Measured.of([each.wall_ms for each in typed if each.num_requests]),
        token_ms=_token_ms(engine.timings),
        hit_rate=_ratio(sum(each.reused_tokens for each in typed), sum(each.prompt_tokens for each in typed)),
        num_keystrokes=len(asked),
        served_rate=_ratio(sum(each.is_served for each in asked), len(asked)),
        memory_mb=status.memory_bytes / 1e6,
    )


@contextlib.asynccontextmanager
async def _engine_of_our_own(choice: EngineChoice, *, in_process: bool) -> AsyncIterator[Engine]:
    """A process that no editor finds, ended with the block; or an engine in this one."""
    with tempfile.TemporaryDirectory(prefix="parrotlet-") as folder, _environment(RUNTIME_FOLDER_VARIABLE, folder):
        engine = make_engine(choice, in_process=in_process, idle_minutes=_IDLE_MINUTES)
        try:
            yield engine
        finally:
            await _end(engine)


async def _end(engine: Engine) -> None:
    with contextlib.suppress(Exception):  # there may be none to end, and what was wrong has been raised
        pid = (await engine.status()).pid
        if pid not in (0, os.getpid()):
            os.kill(pid, signal.SIGTERM)
    await engine.close()


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def _cold_steps(text: str) -> Iterator[Step]:
    """One character at the end of half a line, each time in a document of its own."""
    for number, (start, end) in enumerate(cycle(_lines(text))):
        middle = (start + end) // 2
        name = f"cold-{number}"
        yield Open(document=name, text=text[:middle] + text[end:])
        yield _keystroke(name, middle, text[middle])


def _typing_steps(text: str) -> Iterator[Step]:
    """Lines written anew, in their places, from the top."""
    for number, (start, end) in enumerate(cycle(_lines(text))):
        name = f"typing-{number // len(_lines(text))}"
        if number % len(_lines(text)) == 0:
            yield Open(document=name, text=text)
        yield Edit(document=name, at=start, remove=end - start, insert="", cursor=start, phase=Phase.MOVING)
        for at in range(start, end):
            yield _keystroke(name, at, text[at])


def _lines(text: str) -> list[tuple[int, int]]:
    """Start, behind the indentation, and end of the lines that are long enough to complete."""
    found, start = [], 0
    for line in text.split("\n"):
        first = start + len(line) - len(line.lstrip())
        if start + len(line) - first >= _SHORTEST_LINE:
            found.append((first, start + len(line)))
        start += len(line) + 1
    return found


def _keystroke(document: str, at: int, character: str) -> Edit:
    return Edit(document=document, at=at, remove=0, insert=character, cursor=at + 1, phase=Phase.TYPING)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Times:
    """How long each part may take, and who is told how far it is."""

    cold_s: float
    typing_s: float
    progress: Progress

    async def play_cold(self, player: Player, text: str) -> list[Keystroke]:
        return await self._play(player, _cold_steps(text), self.cold_s, "in unseen documents")

    async def play_typing(self, player: Player, text: str) -> list[Keystroke]:
        return await self._play(player, _typing_steps(text), self.typing_s, "while typing")

    async def _play(self, player: Player, steps: Iterator[Step], seconds: float, where: str) -> list[Keystroke]:
        """Play until the time is over, but at least one keystroke that asks the engine."""
        keystrokes: list[Keystroke] = []
        started = time.monotonic()
        async for keystroke in player.play(steps):
            keystrokes.append(keystroke)
            done = time.monotonic() - started
            self.progress(f"suggestions {where}: {done:.0f} of {seconds:.0f} s")
            if done >= seconds and any(each.num_requests for each in keystrokes):
                break
        return keystrokes


def _token_ms(timings: list[Timings]) -> float:
    """A token's time, without the first of each answer: that one comes with the prompt."""
    return _ratio(sum(each.decode_ms for each in timings), sum(max(0, each.new_tokens - 1) for each in timings))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def as_json(report: Report) -> str:
    return json.dumps({**asdict(report), "tokens_per_second": report.tokens_per_second}, indent=2)


def as_text(report: Report) -> str:
    """A table for people."""
    machine, cold, warm = report.machine, report.cold, report.warm
    where = "in this process" if report.in_process else "in a process of its own"
    memory = f"{report.memory_mb:.0f} MB" if report.memory_mb else "not known here"
    rows = [
        ("machine", f"{machine['processor']}, {machine['cores']} cores, {machine['system']}"),
        ("software", f"Parrotlet {__version__}, Python {machine['python']}, {_versions(machine)}"),
        ("model", f"{_model_name(report.model)} on {report.backend or report.device}, {where}"),
        ("", ""),
        ("model ready after", f"{report.ready_s:.1f} s"),
        ("memory", memory),
        ("", ""),
        ("", f"{'p50':>12} {'p95':>12}"),
        ("first suggestion", f"{_ms(cold.p50_ms)} {_ms(cold.p95_ms)}   in a document not yet read ({cold.count})"),
        ("while typing", f"{_ms(warm.p50_ms)} {_ms(warm.p95_ms)}   when the model is asked ({warm.count})"),
        ("one token", f"{_ms(report.token_ms)}   {report.tokens_per_second:.0f} tokens a second"),
        ("", ""),
        ("prompt cache", f"{report.hit_rate:.1%} of what the model had to read while typing was read before"),
        ("keystrokes", f"{report.served_rate:.1%} of {report.num_keystrokes} needed next to no reading"),
    ]
    return "\n".join(f"{name:<18} {value}".rstrip() for name, value in rows)


def _model_name(path: str) -> str:
    return "the embedded model" if Path(path) == EMBEDDED else path


def _ms(value: float) -> str:
    return f"{value:>9.1f} ms"


def _versions(machine: dict[str, object]) -> str:
    packages = machine["packages"]
    assert isinstance(packages, dict)
    return ", ".join(f"{name} {number}" for name, number in packages.items() if name != "parrotlet")
