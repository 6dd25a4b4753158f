"""What stands between a user's completer and the engine: no credentials out, no other model's tokens in."""

from __future__ import annotations

from pathlib import Path

import pytest

from lsp_server.activity import seconds_since_activity
from lsp_server.considerate import ConsiderateEngine
from lsp_server.credentials import holds_credential
from lsp_server.data_folder import FOLDER_VARIABLE
from lsp_server.engine.api import CompletionRequest, StopRule
from lsp_server.engine.fake import FakeEngine

AWS = "AK" + "IA" + "Q7R2" * 4
REQUEST = CompletionRequest(document="d", prompt_ids=(1,), line_prefix='KEY = "', stop=StopRule.NONE)


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "data"))


async def offered(text: str) -> list[str]:
    engine = ConsiderateEngine(FakeEngine(lambda request, index: [text]), "format")
    return [candidate.text for candidate in (await engine.complete(REQUEST)).candidates]


@pytest.mark.parametrize(
    ("text", "is_offered"),
    [
        (f'{AWS}"', False),
        (AWS, False),  # broken off before its quote
        (f'"\nother = "{AWS}"', False),
        ('"\nsecret = "3b7f9c0d1ea45682d4f1b3c5e7', False),
        ('"\nsecond = "x"', True),
        ("test_integration_of_http2_connections_0815", True),
    ],
)
async def test_what_looks_like_a_credential_is_not_offered(text: str, is_offered: bool) -> None:
    assert await offered(text) == ([text] if is_offered else [])


async def test_a_credential_is_seen_where_its_beginning_stands_before_the_cursor() -> None:
    request = CompletionRequest(document="d", prompt_ids=(1,), line_prefix=f'KEY = "{AWS[:8]}')
    engine = ConsiderateEngine(FakeEngine(lambda request, index: [AWS[8:]]), "format")
    assert (await engine.complete(request)).candidates == ()
    assert not holds_credential(AWS[8:])


async def test_questions_carry_their_models_format_and_are_told_to_trainings() -> None:
    assert seconds_since_activity() == float("inf")
    asked: list[CompletionRequest] = []

    def remember(request: CompletionRequest, index: int) -> list[str]:
        asked.append(request)
        return ["x"]

    await ConsiderateEngine(FakeEngine(remember), "format").complete(REQUEST)
    assert asked[0].prompt_format == "format"
    assert seconds_since_activity() < 30


async def test_a_data_folder_that_cannot_be_written_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "file" / "below"))
    assert await offered("x") == ["x"]
