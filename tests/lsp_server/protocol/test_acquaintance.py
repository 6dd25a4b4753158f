"""What the engine gets to know of the files around a document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import SETTINGS
from raw_client import FAKE_SERVER, GHOST_TEXT_CLIENT, RawClient

pytestmark = pytest.mark.asyncio(loop_scope="module")
StartClient = Callable[..., Awaitable[RawClient]]


async def editor_in(folder: Path, start_client: StartClient, **settings: Any) -> RawClient:
    client = await start_client()
    await client.initialize(
        GHOST_TEXT_CLIENT,
        workspaceFolders=[{"uri": folder.as_uri(), "name": "folder"}],
        initializationOptions={**SETTINGS, **settings},
    )
    await client.until_ready()
    return client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"a.py": "a = 1\n", "deep/b.py": "b = 22\n", "c.txt": "no", "old/d.py": "d\n"}.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return tmp_path


async def test_files_of_the_documents_kind_are_remembered_and_a_saved_document_too(
    start_client: StartClient, folder: Path
) -> None:
    client = await editor_in(folder, start_client, memoryExcludes=["old/*"])
    client.uri = (folder / "new.py").as_uri()
    client.open("e = 1")
    around = [f"{folder / 'a.py'} 6", f"{folder / 'deep' / 'b.py'} 7"]
    await client.until_status(lambda status: status["remembered"] == around)
    client.notify("textDocument/didSave", {"textDocument": {"uri": client.uri}})
    await client.until_status(lambda status: status["remembered"] == [*around, f"{folder / 'new.py'} 5"])


async def test_nothing_is_read_where_the_user_does_not_want_it(start_client: StartClient, folder: Path) -> None:
    client = await editor_in(folder, start_client, memory=False)
    client.uri = (folder / "new.py").as_uri()
    client.open("e = 1")
    client.notify("textDocument/didSave", {"textDocument": {"uri": client.uri}})
    assert (await client.status())["remembered"] == []


async def test_what_was_open_before_the_model_was_there_is_made_up_for(
    start_client: StartClient, folder: Path, tmp_path: Path
) -> None:
    loaded = tmp_path / "loaded"
    client = await start_client(str(FAKE_SERVER), str(loaded))
    await client.initialize(GHOST_TEXT_CLIENT, initializationOptions=SETTINGS)
    client.uri = (folder / "deep" / "new.py").as_uri()
    client.open("e = 1")
    assert (await client.status())["remembered"] == []
    loaded.touch()
    await client.until_status(lambda status: status["remembered"] == [f"{folder / 'deep' / 'b.py'} 7"])
