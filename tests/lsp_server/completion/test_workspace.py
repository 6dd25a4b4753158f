from __future__ import annotations

from pathlib import Path

import pytest

from lsp_server.completion.workspace import Workspace, name_of, path_of
from lsp_server.engine.fake import FakeEngine
from lsp_server.model.tokenizer import CodeTokenizer


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(lambda request, index: [])


async def test_each_kind_of_file_in_a_folder_is_read_once(
    engine: FakeEngine, tokenizer: CodeTokenizer, tmp_path: Path
) -> None:
    workspace = Workspace(engine, tokenizer)
    for name in ("a.py", "b.py", "c.js"):
        (tmp_path / name).write_text(name)
    await workspace.read_around((tmp_path / "a.py").as_uri(), tmp_path)
    await workspace.read_around((tmp_path / "b.py").as_uri(), tmp_path)
    (texts,) = engine.remembered.values()
    assert {name: tokenizer.decode(ids) for name, ids in texts.items()} == {str(tmp_path / "b.py"): "b.py"}
    await workspace.read_around((tmp_path / "d.js").as_uri(), tmp_path)
    assert len(texts) == 2


async def test_a_saved_document_takes_the_place_of_the_file_that_was_read(
    engine: FakeEngine, tokenizer: CodeTokenizer, tmp_path: Path
) -> None:
    workspace = Workspace(engine, tokenizer)
    file = tmp_path / "größe %.py"
    file.write_text("old")
    await workspace.read_around((tmp_path / "x.py").as_uri(), tmp_path)
    await workspace.remember(file.as_uri(), "new\r\n")
    assert engine.remembered == {workspace.collection: {str(file): tuple(tokenizer.encode("new\n"))}}


async def test_a_document_that_is_no_file_has_nothing_around_it(engine: FakeEngine, tokenizer: CodeTokenizer) -> None:
    await Workspace(engine, tokenizer).read_around("untitled:Untitled-1", None)
    assert engine.remembered == {}


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("file:///a/b%20c.py", "/a/b c.py"),
        ("file:///c%3A/a.py", "c:/a.py"),
        ("untitled:Untitled-1", "untitled:Untitled-1"),
        ("vscode-notebook-cell:/a/n.ipynb#W0", "vscode-notebook-cell:/a/n.ipynb#W0"),
    ],
)
def test_a_file_has_one_name_however_its_uri_is_spelt(uri: str, name: str) -> None:
    assert name_of(uri) == name
    assert path_of(uri) == (Path(name) if name != uri else None)
