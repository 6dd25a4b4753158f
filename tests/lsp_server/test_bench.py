"""`parrotlet bench` on a scripted engine, and once on a real one."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from lsp_server import bench
from lsp_server.bench import Measured, as_json, as_text, show_progress
from lsp_server.cli import main
from lsp_server.engine.address import RUNTIME_FOLDER_VARIABLE
from lsp_server.engine.api import CompletionRequest, CompletionResult, EngineState, EngineStatus, OnTokens
from lsp_server.engine.choice import EngineChoice
from lsp_server.engine.fake import FakeEngine
from lsp_server.errors import SettingsError


def script(request: CompletionRequest, index: int) -> Iterable[str]:
    return ["word", " word"]


class TimedEngine(FakeEngine):
    """Two tokens an answer, the second after 4 ms; nine tenths of each prompt were read before."""

    closed = False

    async def complete(self, request: CompletionRequest, on_tokens: OnTokens | None = None) -> CompletionResult:
        result = await super().complete(request, on_tokens)
        reused = len(request.prompt_ids) * 9 // 10
        return replace(result, timings=replace(result.timings, decode_ms=4.0, reused_tokens=reused))

    async def status(self) -> EngineStatus:
        return replace(await super().status(), backend="scripted", memory_bytes=300_000_000)

    async def close(self) -> None:
        self.closed = True
        await super().close()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> TimedEngine:
    engine = TimedEngine(script)
    monkeypatch.setattr(bench, "make_engine", lambda *_, **__: engine)
    return engine


def measure(seconds: float = 0.2) -> bench.Report:
    return bench.bench(EngineChoice(device="cpu"), in_process=True, seconds=seconds, progress=lambda _: None)


def test_the_figures_are_of_what_the_engine_did(engine: TimedEngine) -> None:
    report = measure()
    assert report.token_ms == 4.0
    assert report.tokens_per_second == 250
    assert report.memory_mb == 300
    assert 0.85 < report.hit_rate <= 0.9
    assert report.cold.count > 0
    assert report.warm.count > 0
    assert report.num_keystrokes >= report.warm.count


def test_unseen_documents_are_each_asked_about_once_and_not_read_ahead(engine: TimedEngine) -> None:
    report = measure()
    cold = [request for request in engine.requests if request.document.startswith("cold-")]
    assert report.cold.count == len({request.document for request in cold})
    assert not [document for document, _ in engine.prefills if document.startswith("cold-")]


def test_there_is_a_figure_of_each_kind_however_short_the_time(engine: TimedEngine) -> None:
    report = measure(seconds=1e-9)
    assert (report.cold.count, report.warm.count) == (1, 1)


def test_the_engine_is_one_that_no_editor_uses_and_is_left_in_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(RUNTIME_FOLDER_VARIABLE, str(tmp_path))
    engine, folders = TimedEngine(script), []

    def make_engine(*_: object, **__: object) -> TimedEngine:
        folders.append(os.environ[RUNTIME_FOLDER_VARIABLE])
        return engine

    monkeypatch.setattr(bench, "make_engine", make_engine)
    measure(seconds=1e-9)
    assert folders != [str(tmp_path)]
    assert not Path(folders[0]).exists()
    assert os.environ[RUNTIME_FOLDER_VARIABLE] == str(tmp_path)
    assert engine.closed


def test_the_table_names_machine_model_and_device(engine: TimedEngine) -> None:
    table = as_text(measure(seconds=1e-9))
    for part in (
        "cores",
        "fake on scripted, in this process",
        "300 MB",
        "250 tokens a second",
        "p50",
        "p95",
        "prompt cache",
    ):
        assert part in table
    assert max(map(len, table.splitlines())) <= 160


@pytest.mark.parametrize("destination", ["-", "file"])
def test_the_figures_are_there_as_json(
    engine: TimedEngine, destination: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    assert main(["bench", "--seconds", "0.1", "--in-process", "--json", "-" if destination == "-" else str(file)]) == 0
    printed = capsys.readouterr().out
    figures = json.loads(printed if destination == "-" else file.read_text())
    assert figures["tokens_per_second"] == 250
    assert figures["cold"].keys() == {"count", "p50_ms", "p95_ms"}
    assert ("p50" in printed and "{" not in printed) is (destination == "file"), "the table is for people"


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(
    engine: TimedEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--json", str(tmp_path / "none" / "figures.json")]) == 2
    assert "choose another file" in capsys.readouterr().err
    assert engine.requests == []


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e9, float("nan")])
def test_an_impossible_time_is_refused(engine: TimedEngine, seconds: float) -> None:
    with pytest.raises(SettingsError, match="such as 40"):
        measure(seconds)


def test_a_model_that_does_not_load_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Failed(TimedEngine):
        async def status(self) -> EngineStatus:
            return EngineStatus(state=EngineState.FAILED, model="m", device="cpu", message="damaged: export it again")

    monkeypatch.setattr(bench, "make_engine", lambda *_, **__: Failed(script))
    assert main(["bench"]) == 2
    assert capsys.readouterr().err == "parrotlet: damaged: export it again\n"


def test_progress_is_one_line_of_a_terminal_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_SILENT_SECONDS", -1.0)
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        with show_progress(stream) as progress:
            progress("one")
            progress("two")
    assert terminal.getvalue() == "\r\x1b[Kone\r\x1b[Ktwo\r\x1b[K"
    assert file.getvalue() == ""


def test_what_takes_no_time_shows_no_progress() -> None:
    terminal = Terminal()
    with show_progress(terminal) as progress:
        progress("one")
    assert "one" not in terminal.getvalue()


def test_a_kind_without_times_has_zeros() -> None:
    assert Measured.of([]) == Measured(count=0, p50_ms=0.0, p95_ms=0.0)


def test_the_embedded_model_has_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--seconds", "0.5", "--in-process", "--device", "cpu", "--json", "-"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["token_ms"] > 0
    assert figures["ready_s"] > 0
    assert figures["device"] == "cpu"


def test_json_and_table_are_of_one_report(engine: TimedEngine) -> None:
    report = measure(seconds=1e-9)
    assert json.loads(as_json(report))["memory_mb"] == 300
