"""What offers come to, and how it is shown."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lsp_server.cli import main
from lsp_server.statistics.offer import Outcome
from lsp_server.statistics.report import as_html, as_json, as_text
from lsp_server.statistics.store import StatisticsStore
from lsp_server.statistics.summary import Summary, by_day, by_language

from .test_store import OFFER

DAY = 86_400.0
OFFERS = [
    replace(OFFER, key=1, kept_30_s=9, kept_5_min=3, latency_ms=10.0),
    replace(OFFER, key=2, outcome=Outcome.PART, accepted_characters=6, num_accepts=2, kept_30_s=3, latency_ms=30.0),
    replace(OFFER, key=3, outcome=Outcome.TYPED, accepted_characters=0, num_accepts=0, from_cache=True, latency_ms=0.5),
    replace(OFFER, key=4, outcome=Outcome.IGNORED, accepted_characters=0, num_accepts=0, offered_at=1000 + 2 * DAY),
    replace(
        OFFER, key=5, outcome=Outcome.IGNORED, accepted_characters=0, num_accepts=0, language="lua", latency_ms=20.0
    ),
]


def test_what_offers_come_to() -> None:
    summary = Summary.of(OFFERS)
    assert (summary.offered, summary.whole, summary.part, summary.typed) == (5, 1, 1, 1)
    assert summary.acceptance == 0.4
    assert (summary.accepted_characters, summary.saved_characters) == (15, 12)
    assert summary.kept_30_s == 12 / 15
    assert summary.kept_5_min == 3 / 9, "of what was looked at"
    assert summary.from_cache == 0.2
    assert (summary.latency_p50_ms, summary.latency_p99_ms) == (12.5, 30.0), "without what came from the cache"


def test_of_nothing_no_share_is_taken() -> None:
    summary = Summary.of([])
    assert (summary.acceptance, summary.kept_30_s, summary.from_cache) == (None, None, None)


def test_days_and_languages() -> None:
    assert [each.offered for each in by_day(OFFERS).values()] == [4, 1]
    assert {name: each.offered for name, each in by_language(OFFERS).items()} == {"python": 4, "lua": 1}
    assert next(iter(by_language(OFFERS))) == "python"


def test_the_table_names_its_figures() -> None:
    lines = as_text(OFFERS, 30).splitlines()
    assert "accepted, of all          40.0%" in lines
    assert "characters saved          12" in lines
    assert lines[-1].split() == ["lua", "1", "0.0%", "0"]
    assert as_text([], 7) == "no suggestions were offered in the last 7 days"


def test_json_holds_each_day() -> None:
    values = json.loads(as_json(OFFERS, 30))
    assert values["all"]["acceptance"] == 0.4
    assert len(values["by_day"]) == 2


def test_the_page_is_one_file_with_plots_and_escapes_names() -> None:
    page = as_html([replace(OFFER, language="<script>")], 30)
    assert page.count("<svg") == 1
    assert "<script>" not in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("https://matplotlib.org", "").replace(
        "http://purl.org", ""
    ).replace("http://creativecommons.org", "")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "statistics.sqlite"
    store = StatisticsStore(file)
    for number, offer in enumerate(OFFERS):
        store.put(replace(offer, offered_at=time.time() - number * 20 * DAY))
    store.close()
    return file


def test_the_command_looks_back_so_many_days(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert main(["stats", "--file", str(file), "--days", "30", "--json", "--html", str(page)]) == 0
    assert json.loads(capsys.readouterr().out)["all"]["offered"] == 2
    assert "<svg" in page.read_text(encoding="utf-8")
    assert main(["stats", "--file", str(file), "--days", "300"]) == 0
    assert "offered                   5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--days", "0"], "--days is 0"), (["--html", "no/such/folder/page.html"], "cannot be written")],
)
def test_bad_input_is_named(file: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--file", str(file), *arguments]) == 2
    assert message in capsys.readouterr().err
