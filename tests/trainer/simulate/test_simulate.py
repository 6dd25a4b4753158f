"""The simulator with the real server behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.completion.rules import rule_names
from lsp_server.completion.workspace import path_of
from lsp_server.model.bundle import Bundle
from trainer.cli import main
from trainer.corpus import Document
from trainer.simulate.editors import CopyingEditor, LspEditor, lsp_editor
from trainer.simulate.pieces import Piece
from trainer.simulate.project import Project, laid_out
from trainer.simulate.typist import write

PIECE = Piece(source="a", path="a.py", before="first = open('é😀')\nfirst", target=" = 1\n    x", after="\nlast\n")


@pytest.fixture
def project(tmp_path: Path, write_files: Callable[..., Path], module: Callable[[int], str]) -> Path:
    return write_files(tmp_path / "project", {"a.py": "".join(module(number) for number in range(12))})


def test_a_simulation_compares_the_model_with_copying(
    project: Path, tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    command = ["simulate", str(project), "--model", str(tiny_bundle.path), "--pieces", "1", "--json", str(file)]
    assert main(command) == 0
    table = capsys.readouterr().out
    assert "| keys saved " in table
    figures = json.loads(file.read_text())
    assert figures["parrotlet"]["plain_keys"] == figures["copying"]["plain_keys"] > 50
    assert figures["copying"]["saved"] > 0.05, "modules that are all alike"
    assert 0 < figures["parrotlet"]["keys"] <= figures["parrotlet"]["plain_keys"]


def test_ablations_switch_each_rule_off(
    project: Path, tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    command = ["simulate", str(project), "--model", str(tiny_bundle.path), "--pieces", "1", "--ablations"]
    assert main([*command, "--json", str(file)]) == 0
    assert "| without syntax " in capsys.readouterr().out
    outcomes = json.loads(file.read_text())["ablations"]
    assert list(outcomes) == ["all rules", *(f"without {name}" for name in rule_names())]
    assert all(outcome["plain_keys"] > 50 for outcome in outcomes.values())


async def test_the_editor_and_the_server_hold_the_same_text(tiny_bundle: Bundle, tmp_path: Path) -> None:
    """An offer for a place outside the document would be none: the server answers only where both agree."""
    async with lsp_editor(("--model", str(tiny_bundle.path)), Project(folder=tmp_path)) as editor:
        assert isinstance(editor, LspEditor)
        tally = await write(editor, PIECE, seed=0)
        assert tally.plain_keys == 6
        counts = (await editor.status())["counts"]
    requests = counts["requests"] if isinstance(counts, dict) else counts.requests
    assert requests == tally.keys


async def test_copying_offers_the_line_that_followed() -> None:
    editor = CopyingEditor()
    await editor.open(Piece(source="", path="", before="alpha = compute(1)\n", target="", after="\n"))
    await editor.insert("alpha = ")
    assert (await editor.shown()).text == "compute(1)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--pieces", "0"], "--pieces is 0"), (["--model", "/no/such"], "no model folder")],
)
def test_bad_input_is_named(
    project: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", str(project), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_short_files_are_not_enough(
    tmp_path: Path, write_files: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", str(write_files(tmp_path / "short", {"a.py": "value = 1\n"}))]) == 2
    assert "no file there is long enough" in capsys.readouterr().err


def test_the_files_lie_where_the_server_looks_for_them_and_are_gone_afterwards() -> None:
    documents = [
        Document(path=path, source=source, licence="MIT", sha256="", text=f"x = 1  # {source}\r\n")
        for source, path in (("owner/one", "pkg/a.py"), ("two", "b.py"))
    ]
    piece = Piece(source="owner/one", path="pkg/a.py", before="", target="x", after="")
    with laid_out(documents) as project:
        file = path_of(project.uri(piece))
        assert file is not None
        assert file.is_relative_to(project.root(piece))
        assert file.read_bytes() == b"x = 1  # owner/one\r\n"
        assert [root.relative_to(project.folder).as_posix() for root in project.roots] == ["owner/one", "two"]
    assert not project.folder.exists()
