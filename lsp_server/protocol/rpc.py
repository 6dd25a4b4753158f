"""JSON-RPC between pygls and the stream: pygls 2.1's defects are repaired here, each where its comment says so.

Knows nothing of completion. User code passes through, so nothing here logs a payload: error logs name types and places.
"""

from __future__ import annotations

import contextvars
import json
import logging
import traceback
from collections.abc import Callable
from typing import Any, TypeGuard

from lsprotocol import types
from pygls import exceptions
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol
from pygls.protocol.language_server import lsp_method

from lsp_server.completion.snapshot import Snapshot
from lsp_server.protocol.documents import DocumentStore
from lsp_server.protocol.framing import BadFrame, frame

log = logging.getLogger(__name__)

SNAPSHOT: contextvars.ContextVar[Snapshot | None] = contextvars.ContextVar("snapshot", default=None)
"""The document as it was when the request being handled arrived."""


def silence_pygls() -> None:
    """pygls logs whole payloads, and so the user's code, at INFO and at ERROR."""
    logging.getLogger("pygls").setLevel(logging.CRITICAL + 1)


def log_defect(place: str, error: BaseException) -> None:
    """Log an unexpected error by type and place; its message may quote the user's code and needs --verbose."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s: %s\n%s", place, type(error).__name__, frames)
    log.debug("%s: %s", place, error)


class ParrotletProtocol(LanguageServerProtocol):
    """One connection to one editor."""

    def __init__(self, server: LanguageServer, converter: Any) -> None:  # Any: cattrs is no dependency of ours
        super().__init__(server, converter)
        self._initialized = False
        self._on_stop: Callable[[int], None] = lambda _: None

    def on_stop(self, callback: Callable[[int], None]) -> None:
        """`callback` is called with the process's exit code once the connection has to end."""
        self._on_stop = callback

    def documents(self) -> DocumentStore:
        assert isinstance(self.workspace, DocumentStore)
        return self.workspace

    def receive(self, body: bytes | BadFrame) -> None:
        """Handle one frame; whatever it holds, the connection goes on."""
        if isinstance(body, BadFrame):
            log.warning("dropped %s", body.reason)
            return
        try:
            data = json.loads(body)
        except (ValueError, RecursionError) as error:
            log.warning("dropped a message that is not JSON (%s)", type(error).__name__)
            self._answer_error(None, exceptions.JsonRpcParseError())
            return
        if _is_message(data):
            self._receive_object(data)
        else:
            log.warning("dropped JSON that is no message")
            self._answer_error(None, exceptions.JsonRpcInvalidRequest())

    def _receive_object(self, data: dict[str, Any]) -> None:
        if (refusal := self._refusal(data)) is not None:
            if "id" in data and "method" in data:
                self._answer_error(data["id"], refusal)
            return
        try:
            message = self.structure_message(data)
        except exceptions.JsonRpcException:
            # pygls leaves an undecodable request without an answer, and the editor waiting
            log.warning("could not decode %s", _label(data))
            if "id" in data and "method" in data:
                self._answer_error(data["id"], exceptions.JsonRpcInvalidParams())
            return
        try:
            self.handle_message(message)
        except Exception as error:  # the protocol boundary: one message must not end the connection
            log_defect(_label(data), error)

    def _refusal(self, data: dict[str, Any]) -> exceptions.JsonRpcException | None:
        """Why the state of the connection forbids this message; pygls handles none of these cases."""
        method = data.get("method")
        if method is None or method == types.EXIT:
            return None
        if self._shutdown:
            return exceptions.JsonRpcInvalidRequest("the server has been shut down")
        if method == types.INITIALIZE and self._initialized:
            return exceptions.JsonRpcInvalidRequest("the server is already initialized")
        if method != types.INITIALIZE and self._workspace is None:
            return exceptions.JsonRpcServerNotInitialized("the first request must be initialize")
        return None

    def _answer_error(self, message_id: Any, error: exceptions.JsonRpcException) -> None:  # Any: an id from the wire
        self._send_data(
            {"jsonrpc": self.VERSION, "id": message_id, "error": {"code": error.code, "message": error.message}}
        )

    def _handle_request(self, msg_id: Any, method_name: str, params: Any) -> None:  # Any: pygls's own signature
        # A coroutine handler starts only after later messages of the same packet: look at the document now
        if method_name == types.INITIALIZE:
            self._initialized = True
        if isinstance(params, types.CompletionParams | types.InlineCompletionParams):
            SNAPSHOT.set(self.documents().snapshot(params))
        super()._handle_request(msg_id, method_name, params)

    def _handle_response(self, msg_id: Any, result: Any = None, error: Any = None) -> None:  # Any: as above
        future = self._request_futures.get(msg_id)
        if future is not None and future.done():  # pygls raises on a late answer to a request it gave up
            del self._request_futures[msg_id]
            return
        super()._handle_response(msg_id, result, error)

    def _send_data(self, data: Any) -> None:  # Any: pygls's own signature
        if self.writer is None or not data:
            return
        body = json.dumps(data, default=self._serialize_message, separators=(",", ":")).encode()
        try:
            self.writer.write(frame(body))
        except OSError:
            self.stop(1)

    def stop(self, exit_code: int) -> None:
        self.writer = None
        self._on_stop(exit_code)

    @lsp_method(types.EXIT)
    def lsp_exit(self, *_: object) -> None:  # type: ignore[override]
        """pygls returns 0 even without a shutdown request; the specification asks for 1."""
        self.stop(0 if self._shutdown else 1)


def _is_message(data: object) -> TypeGuard[dict[str, Any]]:
    """Whether this is a JSON-RPC 2.0 object; the types of its parameters are another matter."""
    if not isinstance(data, dict) or data.get("jsonrpc") != "2.0":
        return False
    has_id = "id" in data
    if has_id and (not isinstance(data["id"], str | int) or isinstance(data["id"], bool)):
        return False
    return isinstance(data["method"], str) if "method" in data else has_id


def _label(data: dict[str, Any]) -> str:
    """A message's method, cut short: it comes from outside."""
    return repr(data.get("method", "a response"))[:80]
