"""Settings from every side an editor may send them, and the time until the model is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from raw_client import FAKE_SERVER, GHOST_TEXT_CLIENT, RawClient, texts

StartClient = Callable[..., Awaitable[RawClient]]
PULL: dict[str, Any] = {"workspace": {"configuration": True}}
SUBSCRIBE: dict[str, Any] = {
    "workspace": {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}}
}
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_settings_come_with_initialize(start_client: StartClient) -> None:
    client = await start_client()
    await client.initialize(GHOST_TEXT_CLIENT, initializationOptions={"parrotlet": {"numCandidates": 1}})
    await client.until_ready()
    client.open("result = ")
    assert texts(await client.inline(0, 9, trigger=1)) == ["compute()"]


async def test_settings_are_asked_for(start_client: StartClient) -> None:
    client = await start_client()
    client.answers["workspace/configuration"] = lambda params: [{"numCandidates": 1}]
    await client.initialize({**GHOST_TEXT_CLIENT, **PULL}, initializationOptions={"numCandidates": 3})
    await client.until(lambda: "workspace/configuration" in asked(client))
    await client.until_ready()
    client.open("result = ")
    assert texts(await client.inline(0, 9, trigger=1)) == ["compute()"]
    (request,) = [each for each in client.server_requests if each["method"] == "workspace/configuration"]
    assert request["params"] == {"items": [{"section": "parrotlet"}]}


async def test_changes_are_subscribed_to_and_pulled(start_client: StartClient) -> None:
    client = await start_client()
    values: list[dict[str, Any]] = [{"enabled": True}]
    client.answers["workspace/configuration"] = lambda params: values
    await client.initialize({**GHOST_TEXT_CLIENT, **SUBSCRIBE})
    await client.until_ready()
    await client.until(lambda: "client/registerCapability" in asked(client))
    await client.until(lambda: asked(client).count("workspace/configuration") == 1)
    values[0] = {"enabled": False}
    client.notify("workspace/didChangeConfiguration", {"settings": None})
    await client.until(lambda: asked(client).count("workspace/configuration") == 2)
    client.open("result = ")
    assert texts(await client.inline(0, 9)) == []


async def test_settings_are_pushed_by_an_editor_that_cannot_be_asked(client: RawClient) -> None:
    client.open("result = ")
    client.notify("workspace/didChangeConfiguration", {"settings": {"parrotlet": {"disabledLanguages": ["python"]}}})
    assert texts(await client.inline(0, 9)) == []
    client.notify("workspace/didChangeConfiguration", {"settings": {"parrotlet": {"disabledLanguages": ["lua"]}}})
    assert texts(await client.inline(0, 9)) == ["compute()"]


async def test_pushed_settings_count_where_the_editor_answers_null(start_client: StartClient) -> None:
    client = await start_client()
    client.answers["workspace/configuration"] = lambda params: [None]
    await client.initialize({**GHOST_TEXT_CLIENT, **PULL})
    await client.until_ready()
    client.notify("workspace/didChangeConfiguration", {"settings": {"parrotlet": {"enabled": False}}})
    await client.until(lambda: asked(client).count("workspace/configuration") == 2)
    client.open("result = ")
    assert texts(await client.inline(0, 9)) == []


async def test_each_bad_setting_is_told_once_and_the_others_count(client: RawClient) -> None:
    for _ in range(2):
        client.notify(
            "workspace/didChangeConfiguration",
            {"settings": {"parrotlet": {"enabeld": False, "topP": 2.0, "numCandidates": 1}}},
        )
    client.open("result = ")
    assert texts(await client.inline(0, 9, trigger=1)) == ["compute()"]
    logged = [note["params"] for note in client.notifications if note["method"] == "window/logMessage"]
    assert [entry["type"] for entry in logged] == [2, 2]
    assert "did you mean parrotlet.enabled?" in logged[0]["message"]
    assert "parrotlet.topP is 2.0" in logged[1]["message"]


async def test_settings_of_any_shape_are_survived(client: RawClient) -> None:
    for settings in (None, [], 7, "x", {"parrotlet": None}, {"parrotlet": [1]}, {"parrotlet": {"enabled": {"a": 1}}}):
        client.notify("workspace/didChangeConfiguration", {"settings": settings})
    client.open("result = ")
    assert texts(await client.inline(0, 9)) == ["compute()"]


async def test_progress_is_shown_while_the_model_loads_and_answers_are_empty(
    start_client: StartClient, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    client = await start_client(str(FAKE_SERVER), str(ready))
    await client.initialize({**GHOST_TEXT_CLIENT, "window": {"workDoneProgress": True}})
    await client.until(lambda: progress(client) == ["begin"])
    client.open("result = ")
    assert texts(await client.inline(0, 9)) == []
    assert (await client.status())["state"] == "loading"
    ready.touch()
    await client.until(lambda: progress(client) == ["begin", "end"])
    assert texts(await client.inline(0, 9)) == ["compute()"]
    assert [note["method"] for note in client.notifications if note["method"] != "$/progress"] == []


async def test_an_editor_without_progress_gets_none(start_client: StartClient, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    client = await start_client(str(FAKE_SERVER), str(ready))
    await client.initialize(GHOST_TEXT_CLIENT)
    assert (await client.status())["state"] == "loading"
    ready.touch()
    await client.until_ready()
    assert (await client.status())["window_is_ready"] is True
    assert progress(client) == []


async def test_a_model_that_cannot_be_opened_is_told_and_found_after_a_reload(
    start_client: StartClient, tmp_path: Path
) -> None:
    always, model = tmp_path / "ready", tmp_path / "model"
    always.touch()
    client = await start_client(str(FAKE_SERVER), str(always), str(model))
    await client.initialize(GHOST_TEXT_CLIENT)
    await client.until(lambda: bool(client.notifications))
    assert client.notifications[0]["params"] == {
        "type": 1,
        "message": f"parrotlet: there is no model folder at {model}: choose another model",
    }
    client.open("result = ")
    assert texts(await client.inline(0, 9)) == []
    status = await client.command("parrotlet.reload")
    assert (status["state"], status["message"]) == ("failed", client.notifications[0]["params"]["message"][11:])
    assert status["window_is_ready"] is False
    model.touch()
    assert (await client.command("parrotlet.reload"))["state"] == "ready"
    assert texts(await client.inline(0, 9)) == ["compute()"]


async def test_an_automatic_request_waits_for_a_pause_in_typing(client: RawClient) -> None:
    client.notify("workspace/didChangeConfiguration", {"settings": {"parrotlet": {"debounceMs": 10_000}}})
    client.open("result = ")
    before = (await client.status())["num_requests"]
    waiting = client.inline(0, 9, trigger=2)
    assert texts(await client.inline(0, 9, trigger=1)) != []
    assert (await waiting)["error"]["code"] == -32800
    after = await client.status()
    assert after["num_requests"] - before == 2, "the explicit request's two, none of the automatic one"


def asked(client: RawClient) -> list[str]:
    return [request["method"] for request in client.server_requests]


def progress(client: RawClient) -> list[str]:
    return [note["params"]["value"]["kind"] for note in client.notifications if note["method"] == "$/progress"]
