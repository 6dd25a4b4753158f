"""Which documents are open, and in which folder: the completer's workspace is told, in the background.

Whatever fails here, fails silently: suggestions are only a little worse for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from lsp_server.completion.workspace import Workspace, path_of
from lsp_server.errors import ParrotletError
from lsp_server.protocol.configuration import Configuration
from lsp_server.protocol.documents import DocumentStore
from lsp_server.protocol.readiness import Readiness

log = logging.getLogger(__name__)


class Acquaintance:
    """What one editor window lets the engine know of the user's code."""

    def __init__(
        self, *, readiness: Readiness, configuration: Configuration, documents: Callable[[], DocumentStore]
    ) -> None:
        self._readiness, self._configuration, self._documents = readiness, configuration, documents
        self._tasks: set[asyncio.Task[None]] = set()
        readiness.on_ready.append(self._read_around_all)

    def opened(self, uri: str) -> None:
        """Read the files around a document, once the model is there."""
        if workspace := self._workspace():
            excludes = self._configuration.settings.memory_excludes
            self._start(workspace.read_around(uri, self._folder_of(uri), excludes))

    def changed(self, uri: str) -> None:
        """A document was saved, or is about to be closed: other documents may go on as it does."""
        document = self._documents().open_document(uri)
        if document is not None and (workspace := self._workspace()):
            self._start(workspace.remember(uri, document.source))

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _workspace(self) -> Workspace | None:
        completer = self._readiness.completer
        return completer.workspace if completer and self._configuration.settings.memory else None

    def _read_around_all(self) -> None:
        for uri in self._documents().text_documents:
            self.opened(uri)

    def _folder_of(self, uri: str) -> Path | None:
        """The innermost folder of the window that the document lies in."""
        path, store = path_of(uri), self._documents()
        if path is None:
            return None
        roots = [path_of(each) for each in (*store.folders, store.root_uri or "")]
        around = [root for root in roots if root is not None and path.is_relative_to(root)]
        return max(around, key=lambda root: len(root.parts), default=None)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:  # Any: nothing is sent into it
        task = asyncio.ensure_future(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except ParrotletError as error:
        log.debug("not remembered: %s", error)
    except Exception as error:  # nobody awaits this task: a defect would only be told by the event loop, with the code
        log.error("not remembered: %s", type(error).__name__)
