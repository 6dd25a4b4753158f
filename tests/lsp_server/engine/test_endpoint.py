"""Both transports: published whole or not at all, private, and replacing what a killed engine left."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.engine.address import EngineAddress
from lsp_server.engine.endpoint import Endpoint, LoopbackEndpoint, UnixEndpoint, endpoint_of

Make = Callable[[Path], Endpoint]
TRANSPORTS = pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda folder: UnixEndpoint(folder / "e.sock"), "e.sock"),
        (lambda folder: LoopbackEndpoint(folder / "e.port"), "e.port"),
    ],
    ids=["unix", "loopback"],
)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readexactly(3))
    writer.close()


async def ask(endpoint: Endpoint) -> bytes:
    reader, writer = await endpoint.connect()
    writer.write(b"abc")
    answer = await reader.read(3)
    writer.close()
    await writer.wait_closed()
    return answer


@TRANSPORTS
async def test_a_client_reaches_the_engine_until_it_withdraws(runtime_folder: Path, make: Make, name: str) -> None:
    client = make(runtime_folder)
    with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
        await client.connect()
    engine = make(runtime_folder)
    server = await engine.listen(echo)
    assert await ask(client) == b"abc"
    assert client.token == engine.token
    assert [entry.name for entry in runtime_folder.iterdir()] == [name]
    assert stat.S_IMODE((runtime_folder / name).stat().st_mode) == 0o600
    engine.withdraw()
    engine.withdraw()
    server.close()
    with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
        await client.connect()


@TRANSPORTS
async def test_what_a_killed_engine_left_is_replaced(runtime_folder: Path, make: Make, name: str) -> None:
    if name == "e.sock":
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(runtime_folder / name))
    else:
        (runtime_folder / name).write_text(json.dumps({"port": 1, "token": "old"}), encoding="utf-8")
    with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
        await make(runtime_folder).connect()
    server = await make(runtime_folder).listen(echo)
    assert await ask(make(runtime_folder)) == b"abc"
    server.close()


@pytest.mark.parametrize("content", ["", "[]", '{"port": "x", "token": ""}', '{"port": 1}'])
async def test_a_damaged_port_file_is_as_good_as_none(runtime_folder: Path, content: str) -> None:
    (runtime_folder / "e.port").write_text(content, encoding="utf-8")
    with pytest.raises(ConnectionRefusedError):
        await LoopbackEndpoint(runtime_folder / "e.port").connect()


async def test_every_engine_has_a_token_of_its_own(runtime_folder: Path) -> None:
    tokens = set()
    for number in range(2):
        endpoint = LoopbackEndpoint(runtime_folder / f"{number}.port")
        (await endpoint.listen(echo)).close()
        tokens.add(endpoint.token)
    assert len(tokens) == 2
    assert all(len(token) == 64 for token in tokens)


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="this system does not tell who the peer is")
async def test_a_peer_of_another_user_is_not_admitted(runtime_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    admitted: list[bool] = []

    async def judge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        admitted.append(endpoint.admits(writer))
        with monkeypatch.context() as patch:
            patch.setattr(os, "getuid", lambda: 12345)
            admitted.append(endpoint.admits(writer))
        await echo(reader, writer)

    endpoint = UnixEndpoint(runtime_folder / "e.sock")
    server = await endpoint.listen(judge)
    assert await ask(endpoint) == b"abc"
    server.close()
    assert admitted == [True, False]


def test_the_transport_can_be_chosen(runtime_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = EngineAddress(folder=runtime_folder, key="k")
    assert isinstance(endpoint_of(address), UnixEndpoint)
    monkeypatch.setenv("PARROTLET_TRANSPORT", "loopback")
    assert isinstance(endpoint_of(address), LoopbackEndpoint)
    monkeypatch.delenv("PARROTLET_TRANSPORT")
    monkeypatch.delattr(asyncio, "start_unix_server")
    assert isinstance(endpoint_of(address), LoopbackEndpoint)
