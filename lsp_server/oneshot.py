"""`parrotlet complete`: suggestions for one cursor in one file, with timings, outside any editor.

The cursor is FILE:LINE:COLUMN, counted from 1 in characters as editors show it; FILE alone means the end of the file,
and `-` is standard input. Knows nothing of LSP.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from lsp_server.assembly import make_engine, open_completer
from lsp_server.completion.cache import Suggestion
from lsp_server.completion.snapshot import Snapshot
from lsp_server.engine.api import Engine, EngineState, EngineStatus, Timings
from lsp_server.engine.choice import EngineChoice
from lsp_server.engine.recorder import Recorder
from lsp_server.errors import DeviceFailedError, DocumentError, EngineError
from lsp_server.settings import Settings

STANDARD_INPUT = "-"
LOADING_SECONDS = 120.0
"""A model on a cold disk of a slow machine; after that something is wrong."""
_POLL_SECONDS = 0.05
_LINES_SHOWN = 6
_LOCATION = re.compile(r"(?P<file>.+?)(?::(?P<line>\d+)(?::(?P<column>\d+))?)?")
_FAINT, _BOLD, _PLAIN = "\x1b[2m", "\x1b[1;32m", "\x1b[0m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Everything one call has to show."""

    snapshot: Snapshot
    suggestions: list[Suggestion]
    timings: list[Timings]
    """One for each question to the engine."""
    total_ms: float
    """With the model loaded: from the question to the suggestions."""
    ready_ms: float
    """Until the model was loaded; near zero when the engine was already there."""
    status: EngineStatus


def complete(location: str, *, choice: EngineChoice, in_process: bool, settings: Settings) -> Answer:
    """Raises: DocumentError for a file or position that is not there; EngineError, BundleError."""
    return asyncio.run(_complete(read_snapshot(location, sys.stdin), choice, in_process, settings))


def read_snapshot(location: str, stdin: TextIO) -> Snapshot:
    """The file and the cursor that `location` names."""
    match = _LOCATION.fullmatch(location)
    if match is None:
        raise DocumentError(f"{location!r} names no file: give FILE:LINE:COLUMN")
    file = match["file"]
    text = stdin.read() if file == STANDARD_INPUT else _read(Path(file))
    line, column = (int(match[part]) if match[part] else None for part in ("line", "column"))
    offset = len(text) if line is None else _offset(text, line, column, location)
    language = "python" if file.endswith((".py", ".pyi")) or file == STANDARD_INPUT else "plaintext"
    return Snapshot(uri=file, language=language, text=text, offset=offset)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise DocumentError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DocumentError(f"{path} is not UTF-8 (byte {error.start}): convert it first") from error


def _offset(text: str, line: int, column: int | None, location: str) -> int:
    """Characters before LINE:COLUMN; without a column, the line's end."""
    lines = re.split(r"\r\n|\n|\r", text)
    if not 1 <= line <= len(lines):
        raise DocumentError(f"{location} is outside the file: it has {len(lines)} lines, counted from 1")
    length = len(lines[line - 1])
    if column is not None and not 1 <= column <= length + 1:
        raise DocumentError(f"{location} is outside the line: choose a column from 1 to {length + 1}")
    starts = [0, *(end.end() for end in re.finditer(r"\r\n|\n|\r", text))]
    return starts[line - 1] + (length if column is None else column - 1)


async def _complete(snapshot: Snapshot, choice: EngineChoice, in_process: bool, settings: Settings) -> Answer:
    started = time.monotonic()
    engine = Recorder(make_engine(choice, in_process=in_process))
    try:
        completer = open_completer(choice.model, engine)
        status = await wait_until_ready(engine)
        ready = time.monotonic()
        try:
            suggestions = await completer.suggest(snapshot, settings, automatic=False)
        except DeviceFailedError:
            suggestions = await completer.suggest(snapshot, settings, automatic=False)
            status = await engine.status()
        return Answer(
            snapshot=snapshot,
            suggestions=suggestions,
            timings=engine.timings,
            total_ms=1000 * (time.monotonic() - ready),
            ready_ms=1000 * (ready - started),
            status=status,
        )
    finally:
        await engine.close()


async def wait_until_ready(engine: Engine) -> EngineStatus:
    """Wait for the model. Raises: EngineError when it cannot be loaded."""
    give_up = time.monotonic() + LOADING_SECONDS
    while (status := await engine.status()).state is EngineState.LOADING:
        if time.monotonic() > give_up:
            raise EngineError(f"the model was not loaded within {LOADING_SECONDS:.0f} s: see `parrotlet doctor`")
        await asyncio.sleep(_POLL_SECONDS)
    if status.state is EngineState.FAILED:
        raise EngineError(status.message)
    return status


def as_json(answer: Answer) -> str:
    """One object: suggestions, timings, model, device."""
    return json.dumps(
        {
            "suggestions": [asdict(suggestion) for suggestion in answer.suggestions],
            "timings": [asdict(timings) for timings in answer.timings],
            "total_ms": round(answer.total_ms, 2),
            "ready_ms": round(answer.ready_ms, 2),
            "model": answer.status.model,
            "device": answer.status.device,
        }
    )


def as_text(answer: Answer, *, colour: bool) -> str:
    """The code above the cursor, each suggestion in its place, and where the time went."""
    faint, bold, plain = (_FAINT, _BOLD, _PLAIN) if colour else ("", "", "")
    above = "\n".join(answer.snapshot.before.splitlines()[-_LINES_SHOWN:])
    if answer.snapshot.before.endswith("\n"):
        above += "\n"
    parts = [f"{faint}{above}{plain}{bold}{suggestion.text}{plain}" for suggestion in answer.suggestions]
    shown = f"\n{faint}{'-' * 40}{plain}\n".join(parts) or "no suggestion here"
    return f"{shown}\n\n{faint}{_timing_line(answer)}{plain}"


def _timing_line(answer: Answer) -> str:
    prefill, decode = (sum(getattr(part, name) for part in answer.timings) for name in ("prefill_ms", "decode_ms"))
    num_tokens = sum(part.new_tokens for part in answer.timings)
    model = Path(answer.status.model).name
    return (
        f"{answer.total_ms:.0f} ms (prompt {prefill:.0f}, {num_tokens} tokens {decode:.0f}); "
        f"model ready after {answer.ready_ms:.0f} ms; {model} on {answer.status.device}"
    )
