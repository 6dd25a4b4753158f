"""Two editors for the typist: one with the real server behind it, over LSP, and one that copies from the open file."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from lsp_server import __version__
from lsp_server.errors import EvaluationError
from lsp_server.settings import Settings
from trainer.evaluate.baselines import copy
from trainer.evaluate.tasks import Task
from trainer.simulate.pieces import Piece
from trainer.simulate.project import Project
from trainer.simulate.typist import Shown

READY_SECONDS = 60.0
LEAVE_SECONDS = 5.0
_POLL_SECONDS = 0.05
WAIT_MS = Settings().debounce_ms
"""That a server waits behind a key. Here it does not: it would take the typist, who never pauses, for a fast one."""


class LspEditor:
    """A minimal editor: it sends each change, asks for ghost text behind it, and never looks at anything else."""

    def __init__(self, client: LanguageClient, project: Project) -> None:
        self._client = client
        self._project = project
        self._uri, self._version = "", 0
        self._line = self._character = 0

    async def open(self, piece: Piece) -> None:
        if self._uri:
            closed = types.DidCloseTextDocumentParams(text_document=types.TextDocumentIdentifier(uri=self._uri))
            self._client.text_document_did_close(closed)
        self._uri, self._version = self._project.uri(piece), 0
        document = types.TextDocumentItem(
            uri=self._uri, language_id="python", version=0, text=piece.before + piece.after
        )
        self._client.text_document_did_open(types.DidOpenTextDocumentParams(text_document=document))
        self._line, self._character = piece.before.count("\n"), 0

    async def insert(self, text: str) -> None:
        here = self._position()
        self._version += 1
        change = types.TextDocumentContentChangePartial(range=types.Range(start=here, end=here), text=text)
        self._client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                text_document=types.VersionedTextDocumentIdentifier(uri=self._uri, version=self._version),
                content_changes=[change],
            )
        )
        self._line += text.count("\n")
        last = text.rpartition("\n")[2]
        self._character = (0 if "\n" in text else self._character) + _width(last)

    async def shown(self) -> Shown:
        began = time.perf_counter()
        answer = await self._client.text_document_inline_completion_async(
            types.InlineCompletionParams(
                text_document=types.TextDocumentIdentifier(uri=self._uri),
                position=self._position(),
                context=types.InlineCompletionContext(trigger_kind=types.InlineCompletionTriggerKind.Automatic),
            )
        )
        items = answer.items if isinstance(answer, types.InlineCompletionList) else list(answer or ())
        text = str(items[0].insert_text) if items else ""
        return Shown(text=text, latency_ms=WAIT_MS + 1000 * (time.perf_counter() - began))

    async def status(self) -> dict[str, object]:
        """What the server says of itself."""
        command = types.ExecuteCommandParams(command="parrotlet.status")
        answer = await self._client.workspace_execute_command_async(command)
        return dict(answer) if isinstance(answer, dict) else vars(answer)

    def _position(self) -> types.Position:
        return types.Position(line=self._line, character=self._character)


def _width(text: str) -> int:
    """In UTF-16 code units, as the protocol counts where nothing else was agreed on."""
    return len(text.encode("utf-16-le")) // 2


@asynccontextmanager
async def lsp_editor(arguments: Sequence[str], project: Project) -> AsyncIterator[LspEditor]:
    """An editor whose server has been started with these arguments, and is ready. Raises: EvaluationError."""
    client = LanguageClient("parrotlet-simulate", __version__)
    command = [sys.executable, "-m", "lsp_server.cli", "serve", "--in-process", *arguments]
    await client.start_io(*command)
    try:
        ghost_text = types.TextDocumentClientCapabilities(
            inline_completion=types.InlineCompletionClientCapabilities(dynamic_registration=False)
        )
        await client.initialize_async(
            types.InitializeParams(
                workspace_folders=[types.WorkspaceFolder(uri=root.as_uri(), name=root.name) for root in project.roots],
                capabilities=types.ClientCapabilities(text_document=ghost_text),
                initialization_options={"statistics": False, "debounceMs": 0},
            )
        )
        client.initialized(types.InitializedParams())
        editor = LspEditor(client, project)
        await _until_ready(editor)
        yield editor
    finally:
        await _leave(client)


async def _leave(client: LanguageClient) -> None:
    """pygls waits for the server's end, so it is asked to end, whatever has happened."""
    with suppress(Exception):  # a server that is gone cannot answer
        await asyncio.wait_for(client.shutdown_async(None), LEAVE_SECONDS)
    with suppress(RuntimeError):  # pygls's, where the server is gone already
        client.exit(None)
    await client.stop()  # type: ignore[no-untyped-call]  # pygls's


async def _until_ready(editor: LspEditor) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        status = await editor.status()
        if status.get("state") == "failed":
            raise EvaluationError(f"the server's model cannot be used: {status.get('message')}")
        if status.get("window_is_ready") and status.get("state") == "ready":
            return
        await asyncio.sleep(_POLL_SECONDS)
    raise EvaluationError(f"the server was not ready after {READY_SECONDS:g} s: see its log on stderr")


class CopyingEditor:
    """Offers what followed the longest match in the open file, to the end of the line, at once."""

    def __init__(self) -> None:
        self._before = self._after = ""

    async def open(self, piece: Piece) -> None:
        self._before, self._after = piece.before, piece.after

    async def insert(self, text: str) -> None:
        self._before += text

    async def shown(self) -> Shown:
        task = Task(kind="line", source="", path="", before=self._before, target="", after=self._after)
        return Shown(text=copy(task) if self._before else "", latency_ms=0.0)
