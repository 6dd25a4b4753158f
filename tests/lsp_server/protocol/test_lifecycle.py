"""From the first message to the exit code, with real processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest
from raw_client import GHOST_TEXT_CLIENT, RawClient, texts

StartClient = Callable[..., Awaitable[RawClient]]
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_what_the_server_announces(start_client: StartClient) -> None:
    client = await start_client()
    response = await client.initialize({**GHOST_TEXT_CLIENT, "notebookDocument": {"synchronization": {}}})
    capabilities = response["result"]["capabilities"]
    assert capabilities["inlineCompletionProvider"] == {}
    assert capabilities["textDocumentSync"]["change"] == 2
    assert capabilities["notebookDocumentSync"]["notebookSelector"] == [{"notebook": "*"}]
    assert set(capabilities["executeCommandProvider"]["commands"]) == {
        "parrotlet.accepted",
        "parrotlet.status",
        "parrotlet.reload",
    }
    assert response["result"]["serverInfo"]["name"] == "parrotlet"


@pytest.mark.parametrize(
    ("offered", "chosen", "column"),
    [(["utf-8", "utf-16"], "utf-8", 13), (["utf-32"], "utf-32", 10), (["utf-16"], "utf-16", 11), (None, "utf-16", 11)],
)
async def test_columns_are_counted_in_the_negotiated_encoding(
    start_client: StartClient, offered: list[str] | None, chosen: str, column: int
) -> None:
    client = await start_client()
    general = {"general": {"positionEncodings": offered}} if offered else {}
    response = await client.initialize({**GHOST_TEXT_CLIENT, **general})
    assert response["result"]["capabilities"]["positionEncoding"] == chosen
    await client.until_ready()
    client.open("😀result = ")
    assert texts(await client.inline(0, column)) == ["compute()"]
    assert texts(await client.inline(0, column + 1)) == []


async def test_exit_after_shutdown_is_zero(own_client: RawClient) -> None:
    assert await own_client.stop() == 0


async def test_exit_without_shutdown_is_one(own_client: RawClient) -> None:
    own_client.notify("exit", None)
    assert await own_client.exit_code() == 1


@pytest.mark.parametrize("shut_down", [True, False])
async def test_the_end_of_stdin_ends_the_server_while_it_works(own_client: RawClient, shut_down: bool) -> None:
    own_client.open("endless = ")
    before = (await own_client.status())["num_steps"]
    request = own_client.inline(0, 10)
    await own_client.until_status(lambda status: status["num_steps"] > before)
    if shut_down:
        await own_client.request("shutdown")
    assert own_client.process.stdin is not None
    own_client.process.stdin.close()
    assert await own_client.exit_code() == (0 if shut_down else 1)
    await asyncio.gather(request, return_exceptions=True)


async def test_shutdown_cancels_what_is_under_way(own_client: RawClient) -> None:
    own_client.open("endless = ")
    request = own_client.inline(0, 10)
    await own_client.request("shutdown")
    assert (await request)["error"]["code"] == -32800


async def test_after_shutdown_requests_are_refused(own_client: RawClient) -> None:
    await own_client.request("shutdown")
    assert (await own_client.inline(0, 0))["error"]["code"] == -32600


async def test_before_initialize_requests_are_refused_and_notifications_dropped(start_client: StartClient) -> None:
    client = await start_client()
    client.open("result = ")
    response = await client.inline(0, 0)
    assert response["error"]["code"] == -32002
    await client.initialize(GHOST_TEXT_CLIENT)
    assert (await client.status())["state"] == "ready"


async def test_a_second_initialize_is_refused(own_client: RawClient) -> None:
    response = await own_client.request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
    assert response["error"]["code"] == -32600


async def test_an_initialize_that_cannot_be_decoded_can_be_repeated(start_client: StartClient) -> None:
    client = await start_client()
    response = await client.request("initialize", {"processId": "none", "rootUri": None, "capabilities": {}})
    assert response["error"]["code"] == -32602
    assert "result" in await client.initialize()


async def test_the_server_leaves_when_the_editors_process_dies(start_client: StartClient) -> None:
    editor = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    client = await start_client()
    await client.initialize(GHOST_TEXT_CLIENT, processId=editor.pid)
    await client.until_ready()
    editor.communicate(b"\n")
    assert await client.exit_code() == 1


async def test_an_editor_that_cannot_be_seen_from_here_is_not_taken_for_dead(start_client: StartClient) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    client = await start_client()
    await client.initialize(GHOST_TEXT_CLIENT, processId=int(gone.stdout))
    await client.until_ready()
    assert await client.stop() == 0


async def test_an_editor_that_stops_reading_ends_the_server(own_client: RawClient) -> None:
    own_client.process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
    for _ in range(3):
        own_client.request("workspace/executeCommand", {"command": "parrotlet.status"})
    assert await own_client.exit_code() == 1
