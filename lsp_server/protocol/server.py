"""The language server of one editor window: what it announces, and which part handles which message. No logic here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.protocol import default_converter

from lsp_server import __version__
from lsp_server.completion.completer import Completer
from lsp_server.completion.snapshot import Snapshot
from lsp_server.engine.api import Engine
from lsp_server.errors import ParrotletError
from lsp_server.protocol import items
from lsp_server.protocol.acquaintance import Acquaintance
from lsp_server.protocol.answering import Answering
from lsp_server.protocol.anticipation import CURSOR_NOTIFICATION, Anticipation, cursor_of
from lsp_server.protocol.configuration import Configuration
from lsp_server.protocol.counters import Counters
from lsp_server.protocol.documents import DocumentStore
from lsp_server.protocol.figures import STATISTICS_REQUEST, figures
from lsp_server.protocol.framing import BadFrame
from lsp_server.protocol.lifeline import wait_for_death
from lsp_server.protocol.notices import Notices
from lsp_server.protocol.observation import Observation
from lsp_server.protocol.readiness import Readiness
from lsp_server.protocol.rpc import SNAPSHOT, ParrotletProtocol
from lsp_server.settings import MenuMode
from lsp_server.statistics.store import StatisticsStore

STATUS_COMMAND = "parrotlet.status"
RELOAD_COMMAND = "parrotlet.reload"
TRIGGER_CHARACTERS = [".", "(", "[", "{", "=", ",", " "]
LIFELINE_POLL_SECONDS = 2.0
_CLOSE_SECONDS = 2.0


class ParrotletServer(LanguageServer):
    """One connection's parts, wired together."""

    protocol: ParrotletProtocol

    def __init__(
        self,
        engine: Engine,
        open_completer: Callable[[], Completer],
        statistics: StatisticsStore | None,
        model_in_use: Callable[[], Path] | None,
    ) -> None:
        super().__init__(
            "parrotlet",
            __version__,
            protocol_cls=ParrotletProtocol,
            converter_factory=default_converter,
            notebook_document_sync=types.NotebookDocumentSyncOptions(
                notebook_selector=[types.NotebookDocumentFilterWithNotebook(notebook="*")]
            ),
        )
        self.engine = engine
        self.client_name = ""
        self.counters = Counters()
        self.notices = Notices(self)
        self.configuration = Configuration(self, self.notices)
        self.readiness = Readiness(self, engine, open_completer, self.notices, model_in_use)
        self.anticipation = Anticipation(readiness=self.readiness, configuration=self.configuration)
        self.answering = Answering(
            readiness=self.readiness,
            configuration=self.configuration,
            counters=self.counters,
            notices=self.notices,
            anticipation=self.anticipation,
        )
        self.acquaintance = Acquaintance(
            readiness=self.readiness, configuration=self.configuration, documents=lambda: self.protocol.documents()
        )
        self.statistics = statistics
        self.observation = Observation(statistics, self.configuration)
        self._lifeline: asyncio.Task[None] | None = None

    async def run(self, frames: AsyncIterator[bytes | BadFrame]) -> int:
        """Serve until the editor is done; returns the process's exit code."""
        exit_code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.protocol.on_stop(lambda code: None if exit_code.done() else exit_code.set_result(code))
        reading = asyncio.ensure_future(self._read(frames))
        try:
            return await exit_code
        finally:
            reading.cancel()
            await self._close()

    def watch_editor(self, pid: int) -> None:
        self._lifeline = asyncio.ensure_future(self._stop_with(pid))

    def report_server_error(self, error: Exception, source: object) -> None:
        """pygls would open a box in the editor for every malformed message; `rpc` has logged it."""

    @property
    def menu_is_on(self) -> bool:
        """A menu beside ghost text would take the Tab key from it."""
        mode = self.configuration.settings.completion_menu
        document = self.client_capabilities.text_document
        has_ghost_text = bool(document and document.inline_completion)
        return mode is MenuMode.ON or (mode is MenuMode.AUTO and not has_ghost_text)

    @property
    def indents_snippets(self) -> bool:
        """Whether the editor is a Neovim that takes snippets."""
        document = self.client_capabilities.text_document
        completion = document.completion if document else None
        item = completion.completion_item if completion else None
        return self.client_name.startswith("Neovim") and bool(item and item.snippet_support)

    async def _read(self, frames: AsyncIterator[bytes | BadFrame]) -> None:
        try:
            async for body in frames:
                self.protocol.receive(body)
                await asyncio.sleep(0)  # let handlers start in the order of their messages
        finally:
            self.protocol.stop(0 if self.protocol._shutdown else 1)

    async def _stop_with(self, pid: int) -> None:
        await wait_for_death(pid, LIFELINE_POLL_SECONDS)
        self.protocol.stop(1)

    async def _close(self) -> None:
        self.anticipation.stop()
        self.answering.cancel_all()
        self.readiness.stop()
        self.acquaintance.stop()
        self.observation.stop()
        if self._lifeline is not None:
            self._lifeline.cancel()
        with contextlib.suppress(asyncio.TimeoutError, ParrotletError):
            await asyncio.wait_for(self.engine.close(), _CLOSE_SECONDS)


def build_server(
    engine: Engine,
    open_completer: Callable[[], Completer],
    statistics: StatisticsStore | None = None,
    model_in_use: Callable[[], Path] | None = None,
) -> ParrotletServer:
    """A server for one editor window; `statistics` is where it writes what became of its suggestions.

    `model_in_use` tells which model the user has chosen, and is asked again and again; None where it is fixed.
    """
    server = ParrotletServer(engine, open_completer, statistics, model_in_use)
    _add_lifecycle(server)
    _add_anticipation(server)
    _add_completion(server)
    _add_commands(server)
    return server


def _add_lifecycle(server: ParrotletServer) -> None:
    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        server.protocol._workspace = DocumentStore.like(
            server.workspace, params.workspace_folders or [], server.observation.edit
        )
        server.client_name = server.observation.client = params.client_info.name if params.client_info else ""
        server.configuration.initialize(params.initialization_options)
        if params.process_id is not None:
            server.watch_editor(params.process_id)

    @server.feature(types.INITIALIZED)
    async def initialized(_: types.InitializedParams) -> None:
        server.readiness.watch()
        await server.configuration.start()

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def did_change_configuration(params: types.DidChangeConfigurationParams) -> None:
        await server.configuration.change(params.settings)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def did_open(params: types.DidOpenTextDocumentParams) -> None:
        server.acquaintance.opened(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def did_save(params: types.DidSaveTextDocumentParams) -> None:
        server.acquaintance.changed(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: types.DidCloseTextDocumentParams) -> None:
        server.anticipation.forget(params.text_document.uri)
        server.observation.close(params.text_document.uri)
        if server.readiness.completer is not None:
            server.readiness.completer.forget(params.text_document.uri)

    @server.feature(types.SHUTDOWN)
    def shutdown(_: None) -> None:
        server.anticipation.stop()
        server.answering.cancel_all()


def _add_anticipation(server: ParrotletServer) -> None:
    def edited(snapshot: Snapshot | None) -> None:
        if snapshot is not None:
            server.answering.pace.typed()
        server.anticipation.expect(snapshot)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(params: types.DidChangeTextDocumentParams) -> None:
        documents = server.protocol.documents()
        edited(documents.snapshot_after(params.text_document.uri, params.content_changes))

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_CHANGE)
    def did_change_notebook(params: types.DidChangeNotebookDocumentParams) -> None:
        edited(server.protocol.documents().snapshot_after_cells(params.change))

    @server.feature(CURSOR_NOTIFICATION)
    def cursor(params: Any) -> None:  # Any: not in the protocol, so untyped; pygls would hand `object` the server
        position = cursor_of(params)
        if position is not None:
            server.anticipation.expect(server.protocol.documents().snapshot_at(*position))


def _add_completion(server: ParrotletServer) -> None:
    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    async def inline_completion(params: types.InlineCompletionParams) -> types.InlineCompletionList:
        automatic = params.context.trigger_kind is not types.InlineCompletionTriggerKind.Invoked
        snapshot, began = SNAPSHOT.get(), time.monotonic()
        suggestions = await server.answering.suggest(
            types.TEXT_DOCUMENT_INLINE_COMPLETION, snapshot, automatic=automatic
        )
        answer = items.inline_items(suggestions, params, server.counters.offer)
        if snapshot is not None:
            seconds = time.monotonic() - began
            ids = items.item_ids(answer.items)
            server.observation.offer(snapshot, suggestions, ids, automatic=automatic, seconds=seconds)
        return answer

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=TRIGGER_CHARACTERS))
    async def completion(params: types.CompletionParams) -> types.CompletionList:
        snapshot, began = SNAPSHOT.get(), time.monotonic()
        if snapshot is None or not server.menu_is_on:
            return types.CompletionList(is_incomplete=False, items=[])
        suggestions = await server.answering.suggest(types.TEXT_DOCUMENT_COMPLETION, snapshot, automatic=True)
        answer = items.menu_items(
            suggestions,
            snapshot,
            params,
            encoding=server.protocol.documents().encoding,
            indents_snippets=server.indents_snippets,
            new_id=server.counters.offer,
        )
        seconds = time.monotonic() - began
        server.observation.offer(snapshot, suggestions, items.item_ids(answer.items), automatic=True, seconds=seconds)
        return answer


def _add_commands(server: ParrotletServer) -> None:
    # pygls reads the annotations: with `object` it would take the first argument's place for the server itself
    @server.command(items.ACCEPTED_COMMAND)
    def accepted(*arguments: str) -> bool:
        item_id = arguments[0] if arguments else None
        server.observation.accept(item_id)
        return server.counters.accept(item_id)

    @server.command(STATUS_COMMAND)
    async def status(*_: str) -> dict[str, object]:
        return await _status(server)

    @server.command(RELOAD_COMMAND)
    async def reload(*_: str) -> dict[str, object]:
        try:
            await server.readiness.reload()
        except ParrotletError as error:
            server.notices.engine_trouble(str(error))
        return await _status(server)

    @server.feature(STATISTICS_REQUEST)
    async def statistics(params: Any) -> dict[str, Any]:  # Any: as `cursor`, and JSON
        return await figures(params, server.statistics)


async def _status(server: ParrotletServer) -> dict[str, object]:
    """The engine's status, flat, and this window's counts."""
    try:
        status = await server.engine.status()
        engine: dict[str, object] = {**asdict(status), "hit_rate": status.hit_rate}
    except ParrotletError as error:
        engine = {"state": "failed", "message": str(error)}
    if server.readiness.trouble:
        engine.update(state="failed", message=server.readiness.trouble)
    return {
        **engine,
        "version": server.version,
        "server_pid": os.getpid(),
        "window_is_ready": server.readiness.completer is not None,  # later than an engine that others use already
        "counts": server.counters.as_dict(),
    }
