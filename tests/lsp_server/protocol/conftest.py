"""Server processes. Starting one costs most of a second, so tests that leave it as it was share one per module."""

from __future__ import annotations

import itertools
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))

from raw_client import GHOST_TEXT_CLIENT, RawClient

StartClient = Callable[..., Awaitable[RawClient]]
SETTINGS = {"debounceMs": 0, "maxNewTokens": 512, "deadlineMs": 60_000}
"""An endless answer must not come to its end while a test that cancels it waits for a busy machine."""
_NUMBERS = itertools.count(1)


@pytest_asyncio.fixture(loop_scope="module")
async def start_client() -> AsyncIterator[StartClient]:
    """Starts server processes, and ends those that still run after the test."""
    clients: list[RawClient] = []

    async def start(*command: str, stderr: int | None = None) -> RawClient:
        clients.append(await RawClient.start(*command, stderr=stderr))
        return clients[-1]

    yield start
    for client in clients:
        await client.kill()


@pytest_asyncio.fixture(loop_scope="module")
async def own_client(start_client: StartClient) -> RawClient:
    """An editor with ghost text, whose model is ready, and whose server the test may end."""
    client = await start_client()
    await client.initialize(GHOST_TEXT_CLIENT, initializationOptions=SETTINGS)
    await client.until_ready()
    return client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_client() -> AsyncIterator[RawClient]:
    client = await RawClient.start()
    await client.initialize(GHOST_TEXT_CLIENT, initializationOptions=SETTINGS)
    await client.until_ready()
    yield client
    await client.kill()


@pytest_asyncio.fixture(loop_scope="module")
async def client(shared_client: RawClient) -> AsyncIterator[RawClient]:
    """The module's editor with a document and with settings of the test's own."""
    shared_client.uri = f"file:///project/doc{next(_NUMBERS)}.py"
    shared_client.forget_the_past()
    yield shared_client
    shared_client.notify("workspace/didChangeConfiguration", {"settings": {"parrotlet": SETTINGS}})
    shared_client.notify("textDocument/didClose", {"textDocument": {"uri": shared_client.uri}})
