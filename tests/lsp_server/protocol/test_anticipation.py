"""Edits and resting cursors of a real client: the prompt is read before it is asked for, and nobody is disturbed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from raw_client import FAKE_SERVER, GHOST_TEXT_CLIENT, NOTEBOOK, RawClient, at, open_notebook, texts

from lsp_server.completion.snapshot import Snapshot
from lsp_server.protocol.documents import Document, DocumentStore
from lsp_server.protocol.text_buffer import Encoding

StartClient = Callable[..., Awaitable[RawClient]]


def position(line: int, character: int) -> types.Position:
    return types.Position(line=line, character=character)


def change(text: str, start: tuple[int, int] | None, end: tuple[int, int] | None = None) -> Any:
    """A partial change, or the whole text."""
    if start is None:
        return types.TextDocumentContentChangeWholeDocument(text=text)
    return types.TextDocumentContentChangePartial(
        range=types.Range(start=position(*start), end=position(*(end or start))), text=text
    )


def after(text: str, *changes: Any) -> Snapshot | None:
    """Where the cursor is taken to be after these changes of a document."""
    store = DocumentStore(None, position_encoding=types.PositionEncodingKind.Utf16)
    store._text_documents["u"] = document = Document("u", text, 1, "python", Encoding.UTF16)
    for each in changes:
        document.apply_change(each)
    return store.snapshot_after("u", list(changes))


@pytest.mark.parametrize(
    ("text", "made", "before", "reason"),
    [
        ("ab\n", change("x", (0, 1)), "ax", "behind a typed character"),
        ("ab\n", change("", (0, 0), (0, 1)), "", "where something was removed"),
        ("ab\n", change("cd\nef", (0, 1), (0, 2)), "acd\nef", "behind an accepted suggestion"),
        ("😀b\n", change("é", (0, 2)), "😀é", "columns are the editor's"),
        ("f\n", change("()", (0, 1)), "f(", "in a pair that the editor closed"),
        ("x = \n", change('""', (0, 4)), 'x = "', "in a pair of quotes"),
        ("a\n", change("\r\n", (0, 1)), "a\r\n", "behind a line break"),
    ],
)
def test_the_cursor_stands_where_an_edit_leaves_it(text: str, made: Any, before: str, reason: str) -> None:
    snapshot = after(text, made)
    assert snapshot is not None
    assert snapshot.before == before, reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ([change("x", (0, 0)), change("y", (1, 0))], "several cursors, or a tool that formats"),
        ([change("new text", None)], "the whole document is new"),
        ([], "nothing changed"),
    ],
)
def test_other_changes_do_not_tell_where_the_cursor_is(changes: list[Any], reason: str) -> None:
    assert after("ab\ncd\n", *changes) is None, reason


@pytest.mark.asyncio(loop_scope="module")
async def test_an_edit_has_its_prompt_read_before_anybody_asks(client: RawClient) -> None:
    before = (await client.status())["num_prefills"]
    client.open("result ")
    client.type_text(0, 7, "=")
    await client.until_status(lambda status: status["num_prefills"] == before + 1)
    assert (await client.status())["counts"]["requests"] >= 0
    assert texts(await client.inline(0, 8)) == [" compute()"]


@pytest.mark.asyncio(loop_scope="module")
async def test_an_accepted_suggestion_has_the_next_one_asked_for(client: RawClient) -> None:
    client.open("result = ")
    (suggestion,) = texts(await client.inline(0, 9))
    requests = (await client.status())["num_requests"]
    client.type_text(0, 9, suggestion)
    await client.until_status(lambda status: status["num_requests"] == requests + 1)
    assert texts(await client.inline(0, 9 + len(suggestion))) == []
    assert (await client.status())["num_requests"] == requests + 1


@pytest.mark.asyncio(loop_scope="module")
async def test_a_resting_cursor_has_its_prompt_read(client: RawClient) -> None:
    client.open("a\nresult =\n")
    before = (await client.status())["num_prefills"]
    client.notify("parrotlet/cursor", at(1, 8, client.uri))
    assert (await client.until_status(lambda status: status["num_prefills"] > before))["num_prefills"] == before + 1


@pytest.mark.asyncio(loop_scope="module")
async def test_an_edit_of_a_notebooks_cell_has_its_prompt_read(start_client: StartClient) -> None:
    client = await start_client()
    await client.initialize({**GHOST_TEXT_CLIENT, "notebookDocument": {"synchronization": {}}})
    await client.until_ready()
    uri = "vscode-notebook-cell:/project/n.ipynb#0"
    open_notebook(client, {uri: "result "}, prose="none")
    before = (await client.status())["num_prefills"]
    edit = {"range": {"start": {"line": 0, "character": 7}, "end": {"line": 0, "character": 7}}, "text": "="}
    client.notify(
        "notebookDocument/didChange",
        {
            "notebookDocument": {"uri": NOTEBOOK, "version": 2},
            "change": {"cells": {"textContent": [{"document": {"uri": uri, "version": 2}, "changes": [edit]}]}},
        },
    )
    await client.until_status(lambda status: status["num_prefills"] == before + 1)
    assert texts(await client.inline(0, 8, uri=uri)) == [" compute()"]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_cursor_that_is_nowhere_is_ignored(client: RawClient) -> None:
    client.open("a")
    before = (await client.status())["num_prefills"]
    nowhere: list[Any] = [
        at(7, 0, client.uri),
        at(0, 0, "file:///never/opened.py"),
        {"textDocument": {"uri": client.uri}},
        {"textDocument": {"uri": 7}, "position": {"line": "x", "character": None}},
        {"textDocument": {"uri": client.uri}, "position": {"line": -1, "character": 0}},
        {},
        [],
        None,
    ]
    for params in nowhere:
        client.notify("parrotlet/cursor", params)
    assert (await client.status())["num_prefills"] == before
    assert texts(await client.inline(0, 1)) == []


@pytest.mark.asyncio(loop_scope="module")
async def test_where_suggestions_are_off_nothing_is_read(client: RawClient) -> None:
    client.notify("workspace/didChangeConfiguration", {"settings": {"parrotlet": {"disabledLanguages": ["python"]}}})
    client.open("result ")
    before = await client.status()
    client.type_text(0, 7, "=")
    client.notify("parrotlet/cursor", at(0, 8, client.uri))
    assert (await client.status())["num_prefills"] == before["num_prefills"]


@pytest.mark.asyncio(loop_scope="module")
async def test_what_was_typed_while_the_model_loaded_is_read_when_it_is_there_and_nobody_is_told(
    start_client: StartClient, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    client = await start_client(str(FAKE_SERVER), str(ready))
    await client.initialize(GHOST_TEXT_CLIENT)
    client.open("result ")
    client.type_text(0, 7, "=")
    assert texts(await client.inline(0, 8)) == []
    assert (await client.status())["num_prefills"] == 0
    ready.touch()
    await client.until_status(lambda status: status["num_prefills"] == 1)
    assert texts(await client.inline(0, 8)) == [" compute()"]
    assert client.notifications == []
