"""One training at a time on a machine: two would each take twice as long, and the editor would feel both."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lsp_server.errors import BusyError
from lsp_server.library.shelf import models_folder
from trainer.folders import claimed, write_whole


@contextmanager
def turn(name: str) -> Iterator[None]:
    """Until the block ends, or this process dies, no other training begins. Raises: BusyError naming the other."""
    folder = models_folder()
    note = folder / ".training.json"
    with ExitStack() as stack:
        try:
            stack.enter_context(claimed(folder, folder / ".training.lock"))
        except BusyError as error:
            raise BusyError(f"{_running(note)}: wait for it, or end it first") from error
        stack.callback(note.unlink, missing_ok=True)
        write_whole(note, json.dumps({"name": name, "pid": os.getpid(), "since": time.strftime("%H:%M")}))
        yield


def _running(note: Path) -> str:
    try:
        other = json.loads(note.read_text(encoding="utf-8"))
        return (
            f"the model {other['name']!r} is being trained already, since {other['since']}, by process {other['pid']}"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return "another model is being trained already"
