"""Where client and engine meet: a unix socket or, where there is none, loopback TCP with a token. Knows no messages."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from lsp_server.engine.address import EngineAddress

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
OnConnection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
TRANSPORT_VARIABLE = "PARROTLET_TRANSPORT"
"""`loopback` chooses TCP where unix sockets do not work, as on some network file systems."""
_BACKLOG = 64


class Endpoint(Protocol):
    """One way to reach an engine."""

    async def listen(self, on_connection: OnConnection) -> asyncio.AbstractServer:
        """Publish the endpoint; a client sees either nothing or a listening engine."""
        ...

    def withdraw(self) -> None:
        """Let no further client find it."""
        ...

    async def connect(self) -> Streams:
        """Raises: OSError when nobody listens."""
        ...

    @property
    def token(self) -> str:
        """What a client says to prove that it may read this user's files; empty where the system proves it."""
        ...

    def admits(self, writer: asyncio.StreamWriter) -> bool:
        """Whether the process at the other end belongs to this user, as far as the system can tell."""
        ...


def endpoint_of(address: EngineAddress) -> Endpoint:
    """Unix sockets where Python has them."""
    if os.environ.get(TRANSPORT_VARIABLE) == "loopback" or not hasattr(asyncio, "start_unix_server"):
        return LoopbackEndpoint(address.port_file)
    return UnixEndpoint(address.socket)


class UnixEndpoint:
    """A socket in a folder, and with a mode, that only its owner can enter."""

    token = ""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def listen(self, on_connection: OnConnection) -> asyncio.AbstractServer:
        unpublished = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        unpublished.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(unpublished))
            unpublished.chmod(0o600)  # before it listens; and the folder lets nobody else in
            listener.listen(_BACKLOG)
            server = await asyncio.start_unix_server(on_connection, sock=listener)
        except BaseException:
            listener.close()
            raise
        unpublished.replace(self._path)  # replaces what a killed engine left behind
        return server

    def withdraw(self) -> None:
        self._path.unlink(missing_ok=True)

    async def connect(self) -> Streams:
        return await asyncio.open_unix_connection(str(self._path))

    def admits(self, writer: asyncio.StreamWriter) -> bool:
        if not hasattr(socket, "SO_PEERCRED"):
            return True  # the folder and the socket's mode have decided
        credentials = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        _, user, _ = struct.unpack("3i", credentials)
        return bool(user == os.getuid())


class LoopbackEndpoint:
    """A port on 127.0.0.1, and a file that only its owner can read with the port and a fresh token."""

    def __init__(self, port_file: Path) -> None:
        self._port_file = port_file
        self._token = ""

    @property
    def token(self) -> str:
        return self._token

    async def listen(self, on_connection: OnConnection) -> asyncio.AbstractServer:
        self._token = secrets.token_hex(32)
        server = await asyncio.start_server(on_connection, "127.0.0.1", 0, backlog=_BACKLOG)
        port = server.sockets[0].getsockname()[1]
        unpublished = self._port_file.with_name(f"{self._port_file.name}.{os.getpid()}")
        unpublished.unlink(missing_ok=True)
        descriptor = os.open(unpublished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump({"port": port, "token": self._token}, stream)
        unpublished.replace(self._port_file)
        return server

    def withdraw(self) -> None:
        with contextlib.suppress(OSError):
            self._port_file.unlink(missing_ok=True)

    async def connect(self) -> Streams:
        try:
            entry = json.loads(self._port_file.read_text(encoding="utf-8"))
            port, self._token = int(entry["port"]), str(entry["token"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConnectionRefusedError(f"{self._port_file} is not readable") from error
        return await asyncio.open_connection("127.0.0.1", port)

    def admits(self, writer: asyncio.StreamWriter) -> bool:  # noqa: ARG002  (the token decides, in the handshake)
        return True
