"""What the editor's log is told: each cause once, as one line, never as a box. Never the user's code."""

from __future__ import annotations

import logging

from lsprotocol import types
from pygls.lsp.server import LanguageServer

log = logging.getLogger(__name__)


class Notices:
    """The log of one connection."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._told: set[str] = set()
        self._engine_trouble: str | None = None

    def once(self, message: str, level: types.MessageType = types.MessageType.Warning) -> None:
        if message not in self._told:
            self._told.add(message)
            self._tell(message, level)

    def engine_trouble(self, message: str) -> None:
        """Told again only after the engine has worked in between."""
        if message != self._engine_trouble:
            self._engine_trouble = message
            self._tell(message, types.MessageType.Error)

    def engine_works(self) -> None:
        self._engine_trouble = None

    def _tell(self, message: str, level: types.MessageType) -> None:
        log.info("%s", message)
        self._server.window_log_message(types.LogMessageParams(type=level, message=f"parrotlet: {message}"))
