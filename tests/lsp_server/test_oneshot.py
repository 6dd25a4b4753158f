from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from lsp_server import oneshot
from lsp_server.cli import main
from lsp_server.engine.api import EngineStatus
from lsp_server.engine.fake import FakeEngine
from lsp_server.errors import DeviceFailedError, DocumentError
from lsp_server.oneshot import read_snapshot

NO_INPUT = io.StringIO()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.py"
    path.write_bytes("é = 1\r\ndef f(𝛼):\n    return\n".encode())
    return path


@pytest.mark.parametrize(
    ("place", "before", "reason"),
    [
        (":1:1", "", "positions count from 1"),
        (":1:3", "é ", "columns are characters, not bytes"),
        (":1", "é = 1", "without a column, the line's end, before its line break"),
        (":2:7", "é = 1\r\ndef f(", "CRLF is one line break"),
        (":2:8", "é = 1\r\ndef f(𝛼", "an astral character is one column"),
        ("", "é = 1\r\ndef f(𝛼):\n    return\n", "without a place, the file's end"),
        (":4:1", "é = 1\r\ndef f(𝛼):\n    return\n", "the empty last line is a line"),
    ],
)
def test_places_in_a_file(file: Path, place: str, before: str, reason: str) -> None:
    assert read_snapshot(f"{file}{place}", NO_INPUT).before == before, reason


def test_a_dash_reads_standard_input() -> None:
    snapshot = read_snapshot("-:2:4", io.StringIO("a\nbcde\n"))
    assert (snapshot.before, snapshot.language) == ("a\nbcd", "python")


@pytest.mark.parametrize(
    ("place", "remedy"),
    [(":0:1", "4 lines"), (":5:1", "4 lines"), (":1:7", "1 to 6"), (":1:0", "1 to 6")],
)
def test_a_place_outside_the_file_is_refused_with_what_there_is(file: Path, place: str, remedy: str) -> None:
    with pytest.raises(DocumentError, match=remedy):
        read_snapshot(f"{file}{place}", NO_INPUT)


def test_a_missing_file_and_a_binary_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"none\.py cannot be read"):
        read_snapshot(f"{tmp_path / 'none.py'}:1:1", NO_INPUT)
    (tmp_path / "image.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DocumentError, match=r"image\.py is not UTF-8 \(byte 0\)"):
        read_snapshot(str(tmp_path / "image.py"), NO_INPUT)


def test_the_command_tells_a_mistake_in_one_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["complete", f"{file}:99:1", "--in-process"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("parrotlet: ")
    assert error.count("\n") == 1


def test_the_embedded_model_completes_python(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        "class Account:\n    def __init__(self, owner):\n        self.owner = owner\n\n\n"
        "class Person:\n    def __init__(self, name, age):\n        self.name ="
    )
    assert main(["complete", str(path), "--greedy", "--json", "--in-process"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [suggestion["text"] for suggestion in answer["suggestions"]] == [" name"]
    assert answer["timings"][0]["prompt_tokens"] > 10


def test_more_candidates_are_distinct_and_start_with_the_greedy_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.py"
    path.write_text("def total(values):\n    result = 0\n    for value in values:\n        ")
    assert main(["complete", str(path), "--greedy", "--json", "--in-process"]) == 0
    greedy = json.loads(capsys.readouterr().out)["suggestions"]
    assert main(["complete", str(path), "--candidates", "4", "--json", "--in-process"]) == 0
    texts = [suggestion["text"] for suggestion in json.loads(capsys.readouterr().out)["suggestions"]]
    assert texts[0] == greedy[0]["text"]
    assert len(set(texts)) == len(texts) <= 4


def test_a_gpu_that_fails_costs_a_second_question_and_no_answer(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Engine(FakeEngine):
        async def status(self) -> EngineStatus:
            return replace(await super().status(), device="cpu" if self.requests[1:] else "cuda:0")

    def script(*_: object) -> list[str]:
        if len(engine.requests) == 1:
            raise DeviceFailedError("cuda:0 ran out of memory: ask again")
        return ["x"]

    engine = Engine(script)
    monkeypatch.setattr(oneshot, "make_engine", lambda *_, **__: engine)
    assert main(["complete", f"{file}:2:7", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["suggestions"][0]["text"], answer["device"]) == ("x", "cpu")
