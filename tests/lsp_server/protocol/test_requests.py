"""Requests of a real client to a real server process: what is answered, and what is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from raw_client import GHOST_TEXT_CLIENT, NOTEBOOK, RawClient, frame, open_notebook, texts

StartClient = Callable[..., Awaitable[RawClient]]
CANCELLED = -32800
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_ghost_text_has_an_empty_range_at_the_cursor(client: RawClient) -> None:
    client.open("def f():\n")
    response = await client.inline(0, 8)
    (item,) = response["result"]["items"]
    assert item["insertText"] == "\n    if x:\n        return 'y$'\n    return 1"
    assert item["range"] == {"start": {"line": 0, "character": 8}, "end": {"line": 0, "character": 8}}


async def test_an_explicit_request_gets_several_candidates_and_an_automatic_one_a_single(client: RawClient) -> None:
    client.open("result = ")
    assert texts(await client.inline(0, 9, trigger=2)) == ["compute()"]
    assert texts(await client.inline(0, 9, trigger=1)) == ["compute()", "other()"]


async def test_crlf_documents_get_crlf(client: RawClient) -> None:
    client.open("import os\r\ndef f():\r\n")
    assert texts(await client.inline(1, 8)) == ["\r\n    if x:\r\n        return 'y$'\r\n    return 1"]


async def test_a_request_sees_the_document_as_it_was_when_it_arrived(client: RawClient) -> None:
    client.open("result = ")
    future = client.inline(0, 9)
    client.change("something else entirely")  # in the same packet: the handler runs after both were read
    assert texts(await future) == ["compute()"]


async def test_a_document_of_eleven_megabytes_is_completed_like_any_other(client: RawClient) -> None:
    num_lines = 1_100_000
    client.open("x = 1 + 1\n" * num_lines + "result = ")
    client.type_text(0, 0, "y")
    assert texts(await client.inline(num_lines, 9)) == ["compute()"]


@pytest.mark.parametrize(
    ("line", "column", "uri", "reason"),
    [
        (0, 9, "file:///never/opened.py", "a document that is not open"),
        (7, 0, None, "a line below the document"),
        (0, 99, None, "a column behind the line"),
    ],
)
async def test_there_is_no_answer_but_also_no_error(
    client: RawClient, line: int, column: int, uri: str | None, reason: str
) -> None:
    client.open("result = ")
    assert texts(await client.inline(line, column, uri=uri)) == [], reason


async def test_a_cancelled_request_is_answered_so_and_costs_no_further_step(client: RawClient) -> None:
    client.open("endless = ")
    before = (await client.status())["num_steps"]
    future = client.inline(0, 10)
    await client.until_status(lambda status: status["num_steps"] > before)
    client.cancel(future)
    assert (await future)["error"]["code"] == CANCELLED
    assert await steps_stand_still(client)


async def test_a_newer_request_supersedes_the_one_before(client: RawClient) -> None:
    client.open("endless = ")
    before = (await client.status())["num_steps"]
    older = client.inline(0, 10)
    await client.until_status(lambda status: status["num_steps"] > before)
    client.change("result = ")
    newer = client.inline(0, 9)
    assert (await older)["error"]["code"] == CANCELLED
    assert texts(await newer) == ["compute()"]
    assert await steps_stand_still(client)


async def test_somebody_types_while_the_engine_works_fails_and_recovers(client: RawClient) -> None:
    """Every keystroke asks, nothing is cancelled by the client; each request is answered once, the last with text."""
    client.open("")
    before = await client.status()
    line, futures = "", []
    for text in ("endless = ", "boom = ", "defect = ", "result = "):
        for character in text:
            client.type_text(0, len(line), character)
            line += character
            futures.append(client.inline(0, len(line)))
        if text != "endless = ":
            await futures[-1]
        else:
            await client.until_status(lambda status: status["num_steps"] > before["num_steps"])
    answers = await asyncio.gather(*futures)
    assert all(answer.get("error", {}).get("code", CANCELLED) == CANCELLED for answer in answers)
    assert texts(answers[-1]) == ["compute()"]
    assert await steps_stand_still(client)
    status = await client.status()
    assert status["counts"]["requests"] - before["counts"]["requests"] == len(futures)
    assert status["counts"]["failed"] - before["counts"]["failed"] == 2


async def test_typing_what_was_suggested_does_not_ask_the_engine(client: RawClient) -> None:
    client.open("result = ")
    assert texts(await client.inline(0, 9)) == ["compute()"]
    steps = (await client.status())["num_steps"]
    client.type_text(0, 9, "com")
    assert texts(await client.inline(0, 12)) == ["pute()"]
    assert (await client.status())["num_steps"] == steps


async def test_an_engine_failure_is_told_to_the_log_once_and_never_shown(client: RawClient) -> None:
    client.open("result = ")
    await client.inline(0, 9)
    client.open("boom = ")
    for _ in range(3):
        assert texts(await client.inline(0, 7)) == []
    await client.until(lambda: bool(logged(client)))
    assert logged(client) == ["parrotlet: the engine left: it starts again with the next request"]
    assert not [note for note in client.notifications if note["method"] == "window/showMessage"]


async def test_a_gpu_that_fails_costs_one_answer_and_is_told_once(own_client: RawClient) -> None:
    client = own_client
    client.open("gpu = ")
    assert texts(await client.inline(0, 6)) == []
    for _ in range(2):
        assert texts(await client.inline(0, 6)) == ["from_the_cpu()"], "the empty answer was not kept"
    await client.until(lambda: bool(logged(client)))
    await client.until_ready()
    status = await client.status()
    assert logged(client) == [f"parrotlet: {status['message']}"]
    assert status["message"].startswith("cuda:0 ran out of memory: the model runs on the CPU")
    assert status["counts"]["failed"] == 1


async def test_the_same_failure_is_told_again_after_the_engine_has_worked(client: RawClient) -> None:
    for text in ("result = ", "boom = ", "result = x(add(", "boom = "):
        client.open(text)
        await client.inline(0, len(text))
    await client.until(lambda: len(logged(client)) == 2)


async def test_the_users_code_is_not_in_the_log(start_client: StartClient) -> None:
    client = await start_client(stderr=asyncio.subprocess.PIPE)
    await client.initialize(GHOST_TEXT_CLIENT)
    await client.until_ready()
    client.open("secret_code_of_the_user = 1\ndefect = ")
    assert texts(await client.inline(1, 9)) == []
    client.notify("textDocument/didChange", {"secret_code_of_the_user": 1})
    await client.request("textDocument/inlineCompletion", {"secret_code_of_the_user": 1})
    await client.stop()
    log = (await client.process.stderr.read()).decode()
    assert "ValueError" in log
    assert "secret_code_of_the_user" not in log


async def test_the_menu_is_left_to_editors_without_ghost_text(client: RawClient) -> None:
    client.open("result = ")
    assert (await client.menu(0, 9))["result"] == {"isIncomplete": False, "items": []}


async def test_menu_items_replace_the_typed_word(start_client: StartClient) -> None:
    client = await start_client()
    await client.initialize()
    await client.until_ready()
    client.open("😀 = comp")
    response = (await client.menu(0, 9))["result"]
    assert response["isIncomplete"] is True
    (item,) = response["items"]
    assert item["label"] == item["filterText"] == item["textEdit"]["newText"] == "compute()"
    assert item["textEdit"]["range"] == {"start": {"line": 0, "character": 5}, "end": {"line": 0, "character": 9}}
    assert item["command"]["command"] == "parrotlet.accepted"


@pytest.mark.parametrize(("setting", "count"), [("off", 0), ("auto", 1), ("on", 1)])
async def test_the_menu_setting_decides_for_an_editor_without_ghost_text(
    start_client: StartClient, setting: str, count: int
) -> None:
    client = await start_client()
    await client.initialize(initializationOptions={"completionMenu": setting})
    await client.until_ready()
    client.open("result = ")
    assert len((await client.menu(0, 9))["result"]["items"]) == count


async def test_ghost_text_and_menu_may_ask_together_when_the_user_wants_both(start_client: StartClient) -> None:
    client = await start_client()
    await client.initialize(GHOST_TEXT_CLIENT, initializationOptions={"completionMenu": "on"})
    await client.until_ready()
    client.open("result = ")
    ghost, menu = await asyncio.gather(client.inline(0, 9), client.menu(0, 9))
    assert texts(ghost) == ["compute()"]
    assert menu["result"]["items"][0]["label"] == "compute()"


async def test_neovim_gets_a_snippet_for_several_lines(start_client: StartClient) -> None:
    client = await start_client()
    snippets = {"textDocument": {"completion": {"completionItem": {"snippetSupport": True}}}}
    await client.initialize(snippets, clientInfo={"name": "Neovim", "version": "0.11.5"})
    await client.until_ready()
    client.open("def f():")
    (item,) = (await client.menu(0, 8))["result"]["items"]
    assert item["insertTextFormat"] == 2
    assert item["textEdit"]["newText"] == "\n    if x:\n        return 'y\\$'\n    return 1"


async def test_the_selected_menu_item_is_extended(client: RawClient) -> None:
    client.open("res")
    selection = {"range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 3}}}
    response = await client.inline(0, 3, selectedCompletionInfo={**selection, "text": "result = "})
    (item,) = response["result"]["items"]
    assert item["insertText"] == "result = compute()"
    assert item["range"] == selection["range"]


async def test_cells_above_are_context_but_not_prose(start_client: StartClient) -> None:
    client = await start_client()
    await client.initialize({**GHOST_TEXT_CLIENT, "notebookDocument": {"synchronization": {}}})
    await client.until_ready()
    code, prose, here, below = cells = [f"vscode-notebook-cell:/project/n.ipynb#{number}" for number in range(4)]
    open_notebook(client, {code: "ce", prose: "not code", here: " = ", below: "cell"}, prose)
    assert texts(await client.inline(0, 3, uri=here)) == []
    change = {"range": {"start": {"line": 0, "character": 2}, "end": {"line": 0, "character": 2}}, "text": "ll"}
    client.notify(
        "notebookDocument/didChange",
        {
            "notebookDocument": {"uri": NOTEBOOK, "version": 2},
            "change": {"cells": {"textContent": [{"document": {"uri": cells[0], "version": 2}, "changes": [change]}]}},
        },
    )
    assert texts(await client.inline(0, 3, uri=here)) == ["from_the_cell_above"]


async def test_accepted_items_are_counted_once(client: RawClient) -> None:
    client.open("result = ")
    before = (await client.status())["counts"]["accepted"]
    command = (await client.inline(0, 9))["result"]["items"][0]["command"]
    assert command["command"] == "parrotlet.accepted"
    assert await client.command(command["command"], *command["arguments"]) is True
    assert await client.command(command["command"], *command["arguments"]) is False
    assert await client.command("parrotlet.accepted", {"no": "id"}) is False
    assert await client.command("parrotlet.accepted") is False
    assert (await client.status())["counts"]["accepted"] == before + 1


async def test_an_undecodable_request_is_answered_invalid_params(client: RawClient) -> None:
    client.open("result = ")
    response = await client.inline(0, 9, trigger=0)
    assert response["error"]["code"] == -32602


async def test_an_unknown_method_and_an_unknown_command_are_answered(client: RawClient) -> None:
    assert (await client.request("parrotlet/unknown", {}))["error"]["code"] == -32601
    response = await client.request("workspace/executeCommand", {"command": "no.such"})
    assert response["error"]["code"] == -32602
    client.notify("parrotlet/unknownNotification", {})
    assert (await client.status())["state"] == "ready"


async def test_a_late_answer_to_a_request_of_the_server_is_ignored(client: RawClient) -> None:
    client.send({"jsonrpc": "2.0", "id": "no-such-id", "result": None})
    client.send({"jsonrpc": "2.0", "id": "no-such-id", "error": {"code": 1, "message": "late"}})
    assert (await client.status())["state"] == "ready"


async def test_one_packet_with_many_messages_is_answered_in_full(client: RawClient) -> None:
    client.send_bytes(
        b"".join(frame({"jsonrpc": "2.0", "method": "$/setTrace", "params": {"value": "off"}}) for _ in range(200))
    )
    assert (await client.status())["state"] == "ready"


async def steps_stand_still(client: RawClient) -> bool:
    """Several round trips later, the engine has taken no step; each step of the fake takes a millisecond."""
    before = (await client.status())["num_steps"]
    for _ in range(20):
        status = await client.status()
    return bool(status["num_steps"] == before)


def logged(client: RawClient) -> list[str]:
    return [note["params"]["message"] for note in client.notifications if note["method"] == "window/logMessage"]
