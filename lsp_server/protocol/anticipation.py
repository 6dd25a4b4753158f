"""Where the next question will come from: an edit says so, and editors of ours say where the cursor rests.

A guess that fails or is wrong costs a little of the engine's spare time; nobody is told.
"""

from __future__ import annotations

from lsprotocol import types

from lsp_server.completion.ahead import Ahead
from lsp_server.completion.snapshot import Snapshot
from lsp_server.protocol.configuration import Configuration
from lsp_server.protocol.readiness import Readiness

CURSOR_NOTIFICATION = "parrotlet/cursor"
"""From the client, with `TextDocumentPositionParams`: the cursor has come to rest there."""


class Anticipation:
    """The guesses of one editor window."""

    def __init__(self, *, readiness: Readiness, configuration: Configuration) -> None:
        self._readiness, self._configuration = readiness, configuration
        self._ahead = Ahead()
        self._latest: Snapshot | None = None
        readiness.on_ready.append(self._repeat)

    def expect(self, snapshot: Snapshot | None) -> None:
        """A question will probably come from here."""
        if snapshot is None:
            return
        self._latest = snapshot
        settings, completer = self._configuration.settings, self._readiness.completer
        if completer is None:
            return
        if settings.enabled and snapshot.language not in settings.disabled_languages:
            self._ahead.expect(completer, snapshot, settings)

    def make_way(self, snapshot: Snapshot) -> None:
        """A real question comes: it waits for no guess but one that was right."""
        self._ahead.make_way(snapshot)

    def forget(self, uri: str) -> None:
        """The document was closed."""
        if self._latest is not None and self._latest.uri == uri:
            self._latest = None
        self._ahead.forget(uri)

    def stop(self) -> None:
        self._ahead.stop()

    def _repeat(self) -> None:
        """The model is there: what was expected while it loaded, and perhaps asked, could not be read."""
        if self._latest is not None:
            self._ahead.forget(self._latest.uri)
            self.expect(self._latest)


def cursor_of(params: object) -> tuple[str, types.Position] | None:
    """Document and position in the parameters of `parrotlet/cursor`; None for anything else, as it is not typed."""
    uri = getattr(getattr(params, "textDocument", None), "uri", None)
    position = getattr(params, "position", None)
    line, character = getattr(position, "line", None), getattr(position, "character", None)
    if not isinstance(uri, str) or type(line) is not int or type(character) is not int or min(line, character) < 0:
        return None
    return uri, types.Position(line=line, character=character)
