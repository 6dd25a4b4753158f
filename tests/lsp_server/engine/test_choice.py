from __future__ import annotations

from pathlib import Path

import pytest

from lsp_server import cli
from lsp_server.engine.choice import EngineChoice
from lsp_server.engine.launcher import engine_command
from lsp_server.errors import SettingsError


@pytest.mark.parametrize("threads", [0, -1])
def test_an_engine_without_threads_is_refused(threads: int) -> None:
    with pytest.raises(SettingsError, match=rf"threads is {threads}: choose at least 1"):
        EngineChoice(threads=threads)


def test_an_unknown_back_end_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(SettingsError, match=r"backend is 'abacus': choose one of auto, native"):
        EngineChoice(backend="abacus")


@pytest.mark.parametrize(
    "choice",
    [EngineChoice(), EngineChoice(model=Path("/models/a b"), device="cuda", threads=3, backend="full")],
    ids=["all left open", "all chosen"],
)
def test_an_engine_process_is_started_with_what_its_client_chose(
    choice: EngineChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    monkeypatch.setattr("lsp_server.engine.daemon.run_daemon", lambda *arguments: started.append(arguments) or 0)
    _, _, module, *arguments = engine_command(choice, 7.5)
    assert module == "lsp_server.cli"
    assert cli.main(arguments) == 0
    assert started == [(choice, 7.5)]


def test_a_command_line_without_threads_to_give_is_one_line_and_exit_code_two(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["doctor", "--threads", "0"]) == 2
    assert capsys.readouterr().err == "parrotlet: threads is 0: choose at least 1, or leave it out\n"
