"""Suggestions are followed in the documents of a real server, whatever the editor tells of them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from conftest import SETTINGS, StartClient
from raw_client import GHOST_TEXT_CLIENT, RawClient

from lsp_server.statistics.offer import Offer, Outcome
from lsp_server.statistics.store import read_offers

pytestmark = pytest.mark.asyncio(loop_scope="module")
_NAMES = itertools.count(1)
_OF_THE_READY_DOCUMENT = len("a, b")
"""Offered by `until_ready`."""


class Editor:
    """An editor of its own name, by which its offers are found."""

    def __init__(self, client: RawClient, name: str, file: Path) -> None:
        self.client, self.name, self._file = client, name, file

    @classmethod
    async def start(cls, start_client: StartClient, folder: Path, **settings: Any) -> Editor:
        client, name = await start_client(), f"editor {next(_NAMES)}"
        options = {**SETTINGS, **settings}
        await client.initialize(GHOST_TEXT_CLIENT, initializationOptions=options, clientInfo={"name": name})
        await client.until_ready()
        return cls(client, name, folder / "statistics.sqlite")

    async def offers(self) -> list[Offer]:
        """All of them, once the editor has left."""
        await self.client.stop()
        own = [offer for offer in read_offers(self._file) if offer.client == self.name]
        return [offer for offer in own if offer.characters != _OF_THE_READY_DOCUMENT]


async def test_an_insertion_of_what_was_offered_is_an_acceptance(start_client: StartClient, data_folder: Path) -> None:
    editor = await Editor.start(start_client, data_folder)
    editor.client.open("result =")
    item = (await editor.client.inline(0, 8))["result"]["items"][0]
    editor.client.type_text(0, 8, item["insertText"])
    (offer,) = await editor.offers()
    assert (offer.outcome, offer.accepted_characters) == (Outcome.WHOLE, len(" compute()"))
    assert (offer.language, offer.automatic, offer.from_cache) == ("python", True, False)
    assert 0 < offer.latency_ms < 60_000


async def test_typing_through_an_offer_is_one_offer(start_client: StartClient, data_folder: Path) -> None:
    editor = await Editor.start(start_client, data_folder)
    editor.client.open("result =")
    text = (await editor.client.inline(0, 8))["result"]["items"][0]["insertText"]
    for number, character in enumerate(text):
        editor.client.type_text(0, 8 + number, character)
        await editor.client.inline(0, 9 + number)
    found = await editor.offers()
    assert [(offer.outcome, offer.typed_characters) for offer in found] == [(Outcome.TYPED, len(text))]


async def test_whole_documents_are_compared(start_client: StartClient, data_folder: Path) -> None:
    editor = await Editor.start(start_client, data_folder)
    editor.client.open("result =\nother")
    await editor.client.inline(0, 8)
    editor.client.change("result = compute()\nother")
    (offer,) = await editor.offers()
    assert offer.outcome is Outcome.WHOLE


async def test_an_editor_that_says_it_has_accepted_is_believed(start_client: StartClient, data_folder: Path) -> None:
    editor = await Editor.start(start_client, data_folder)
    editor.client.open("result =")
    command = (await editor.client.inline(0, 8))["result"]["items"][0]["command"]
    assert await editor.client.command(command["command"], *command["arguments"]) is True
    (offer,) = await editor.offers()
    assert offer.outcome is Outcome.WHOLE


async def test_nothing_is_counted_when_it_is_off(start_client: StartClient, data_folder: Path) -> None:
    editor = await Editor.start(start_client, data_folder, statistics=False)
    editor.client.open("result =")
    assert (await editor.client.inline(0, 8))["result"]["items"]
    assert await editor.offers() == []
