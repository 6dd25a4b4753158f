"""`parrotlet/statistics`, asked of a real server."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import StartClient
from raw_client import GHOST_TEXT_CLIENT, RawClient

from lsp_server.statistics.offer import Offer, Outcome
from lsp_server.statistics.store import StatisticsStore

pytestmark = pytest.mark.asyncio(loop_scope="module")
DAY = 86_400
OFFER = Offer(
    key=1,
    offered_at=0.0,
    client="Code",
    language="python",
    automatic=True,
    from_cache=False,
    latency_ms=12.0,
    characters=9,
    lines=1,
    outcome=Outcome.WHOLE,
    accepted_characters=9,
    num_accepts=1,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's data folder, of which the server that the test starts is told."""
    monkeypatch.setenv("PARROTLET_DATA_DIR", str(tmp_path))
    return tmp_path


async def start(start_client: StartClient) -> RawClient:
    client = await start_client()
    await client.initialize(GHOST_TEXT_CLIENT)
    return client


async def test_an_editor_gets_the_figures_of_so_many_days(start_client: StartClient, folder: Path) -> None:
    store = StatisticsStore(folder / "statistics.sqlite")
    store.put(replace(OFFER, offered_at=time.time() - DAY))
    store.put(replace(OFFER, key=2, offered_at=time.time() - 20 * DAY, language="lua", outcome=Outcome.IGNORED))
    store.close()
    client = await start(start_client)
    week = (await client.request("parrotlet/statistics", {"days": 7}))["result"]
    month = (await client.request("parrotlet/statistics", {"days": 30}))["result"]
    assert (week["days"], week["all"]["offered"], week["all"]["acceptance"]) == (7, 1, 1.0)
    assert (month["all"]["offered"], month["all"]["acceptance"]) == (2, 0.5)
    assert set(month["by_language"]) == {"python", "lua"}
    assert [each["saved_characters"] for each in month["by_day"].values()] == [8, 8]


async def test_a_new_user_gets_figures_of_nothing(start_client: StartClient, folder: Path) -> None:
    client = await start(start_client)
    result = (await client.request("parrotlet/statistics", {"days": 30}))["result"]
    assert (result["all"]["offered"], result["all"]["acceptance"], result["by_day"]) == (0, None, {})


@pytest.mark.parametrize("params", [None, {}, {"days": 0}, {"days": 3661}, {"days": "30"}, {"days": True}, [30]])
async def test_a_wrong_question_is_named_and_the_server_goes_on(client: RawClient, params: object) -> None:
    error = (await client.request("parrotlet/statistics", params))["error"]
    assert error["code"] == -32602
    assert "days is" in error["message"]
    assert (await client.status())["server_pid"]


async def test_a_damaged_file_is_named_with_the_remedy(start_client: StartClient, folder: Path) -> None:
    (folder / "statistics.sqlite").write_text("no database")
    client = await start(start_client)
    error = (await client.request("parrotlet/statistics", {"days": 30}))["error"]
    assert error["code"] == -32803
    assert "statistics.sqlite cannot be read" in error["message"]
    assert "move it away" in error["message"]
