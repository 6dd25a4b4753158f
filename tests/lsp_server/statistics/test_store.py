from __future__ import annotations

import logging
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from lsp_server.data_folder import FOLDER_VARIABLE
from lsp_server.errors import StatisticsError
from lsp_server.statistics.offer import Offer, Outcome
from lsp_server.statistics.store import StatisticsStore, default_file, read_offers

OFFER = Offer(
    key=2**61,
    offered_at=1000.0,
    client="Neovim",
    language="python",
    automatic=True,
    from_cache=False,
    latency_ms=12.5,
    characters=9,
    lines=1,
    outcome=Outcome.WHOLE,
    accepted_characters=9,
    num_accepts=1,
)


def write(file: Path, *offers: Offer) -> None:
    store = StatisticsStore(file)
    for offer in offers:
        store.put(offer)
    store.close()


def test_offers_come_back_as_they_were_and_a_later_word_replaces_the_first(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "statistics.sqlite"
    older = replace(OFFER, key=1, offered_at=10.0, outcome=Outcome.IGNORED)
    write(file, OFFER, older, replace(OFFER, kept_30_s=7))
    assert read_offers(file) == [older, replace(OFFER, kept_30_s=7)]
    assert read_offers(file, since=500.0) == [replace(OFFER, kept_30_s=7)]


@pytest.mark.parametrize("attempt", range(10))
def test_windows_share_a_file(tmp_path: Path, attempt: int) -> None:
    """They may even make it at the same moment."""
    file = tmp_path / f"statistics-{attempt}.sqlite"
    windows = [StatisticsStore(file) for _ in range(4)]
    for number in range(20):
        windows[number % 4].put(replace(OFFER, key=number, offered_at=float(number)))
    for window in windows:
        window.close()
    assert [offer.key for offer in read_offers(file)] == list(range(20))


def test_no_file_holds_no_offers(tmp_path: Path) -> None:
    assert read_offers(tmp_path / "none") == []


def test_a_file_that_is_no_database_is_named_by_readers_and_costs_writers_only_figures(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "statistics.sqlite"
    file.write_text("no database, but long enough to be looked at as one" * 20)
    with pytest.raises(StatisticsError, match="move it away"):
        read_offers(file)
    with caplog.at_level(logging.WARNING):
        write(file, OFFER, OFFER)
    assert [record.message.split(":")[0] for record in caplog.records] == ["no statistics are kept"]


def test_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "statistics.sqlite"
    write(file, OFFER)
    with sqlite3.connect(file) as connection:
        connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(StatisticsError, match=r"format 99.*update Parrotlet"):
        read_offers(file)


def test_no_text_has_a_place_in_it(tmp_path: Path) -> None:
    file = tmp_path / "statistics.sqlite"
    write(file, OFFER)
    connection = sqlite3.connect(file)
    kinds = {name: kind for _, name, kind, *_ in connection.execute("pragma table_info(offers)")}
    connection.close()
    assert {name for name, kind in kinds.items() if kind.lower() == "text"} == {"client", "language", "outcome"}


def test_the_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert default_file() == tmp_path / "statistics.sqlite"
