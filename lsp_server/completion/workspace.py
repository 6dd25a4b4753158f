"""Has the engine remember the code around the documents in use, so that suggestions can go on as it does.

Files are read once for each kind of file in a folder; a document is remembered again when it is saved or closed. Knows
neither how the engine uses them nor where a folder comes from.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from lsp_server.completion.code_files import code_files, read_code
from lsp_server.completion.rest import plain
from lsp_server.engine.api import Engine

_FILES_AT_ONCE = 16
"""Encoded in one thread's turn; then keystrokes have theirs."""


class Encoder(Protocol):
    """What turns text into tokens."""

    def encode(self, text: str, /) -> list[int]: ...


class Workspace:
    """The code that one completer's questions may look up."""

    def __init__(self, engine: Engine, tokenizer: Encoder) -> None:
        self.collection = uuid.uuid4().hex
        """A name of its own: what another tokenizer's ids mean is something else."""
        self._engine, self._tokenizer = engine, tokenizer
        self._read: set[tuple[Path, str]] = set()

    async def read_around(self, uri: str, root: Path | None, excludes: Sequence[str] = ()) -> None:
        """Remember the files around a document that lies in `root`, unless that has been done for its kind.

        Raises: EngineError.
        """
        path = path_of(uri)
        if path is None or (root or path.parent, path.suffix) in self._read:
            return
        self._read.add((root or path.parent, path.suffix))
        files = iter(await asyncio.to_thread(code_files, path, root, excludes))
        while batch := list(islice(files, _FILES_AT_ONCE)):
            texts = await asyncio.to_thread(self._encode_files, batch)
            await self._engine.remember(self.collection, texts)

    async def remember(self, uri: str, text: str) -> None:
        """A document as it is now. Raises: EngineError."""
        ids = await asyncio.to_thread(self._tokenizer.encode, plain(text))
        await self._engine.remember(self.collection, {name_of(uri): ids})

    def _encode_files(self, files: Sequence[Path]) -> dict[str, list[int]]:
        texts = ((path, read_code(path)) for path in files)
        return {name_of(path.as_uri()): self._tokenizer.encode(plain(text)) for path, text in texts if text}


def path_of(uri: str) -> Path | None:
    """None for a document that is no file."""
    name = name_of(uri)
    return Path(name) if name != uri else None


def name_of(uri: str) -> str:
    """One name for a file, however an editor spells its URI; another document is named by its URI."""
    parts = urlsplit(uri)
    if parts.scheme != "file":
        return uri
    path = unquote(parts.path)
    return path[1:] if path[2:3] == ":" else path  # /c:/folder/file.py
