"""Data sets of the Hub, on a folder that looks like one: nothing is reached from here."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.errors import CorpusError
from trainer.corpus.build import build_corpus
from trainer.corpus.config import CorpusConfig
from trainer.corpus.store import read_documents

datasets = pytest.importorskip("datasets", reason="streaming from the Hub needs parrotlet[datasets]")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the library's own imports


@pytest.fixture
def look_alike(tmp_path: Path, module: Callable[[int], str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """CodeParrot's training set in small: two gzipped files of JSON lines and a validation file."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    folder = tmp_path / "codeparrot-clean"
    folder.mkdir()
    for name, numbers in {"train-0": range(3), "train-1": range(3, 6), "validation-0": range(6, 8)}.items():
        rows = [{"repo_name": f"a/r{number}", "path": f"{number}.py", "content": module(number)} for number in numbers]
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        (folder / f"{name}.json.gz").write_bytes(gzip.compress(content))
    return folder


def test_a_split_is_streamed_with_its_repositories(tmp_path: Path, look_alike: Path) -> None:
    config = CorpusConfig(sources=(f"hf:{look_alike}?split=train",), heldout_share=0.0)
    manifest = build_corpus(config, tmp_path / "corpus")
    documents = list(read_documents(tmp_path / "corpus"))
    assert sorted(document.path for document in documents) == [f"{number}.py" for number in range(6)]
    assert {document.repository for document in documents} == {f"a/r{number}" for number in range(6)}
    assert manifest.sources[0]["name"] == "codeparrot-clean"


@pytest.mark.parametrize(
    ("query", "values", "message"),
    [
        ("?split=exam", {}, "cannot be opened.*check its name, config and split"),
        ("?part=train", {}, "has 'part', which is no option"),
        ("", {"text_column": "body"}, "has no field 'body'"),
    ],
)
def test_what_is_not_there_is_told(
    tmp_path: Path, look_alike: Path, query: str, values: dict[str, str], message: str
) -> None:
    config = CorpusConfig(sources=(f"hf:{look_alike}{query}",), **values)  # type: ignore[arg-type]
    with pytest.raises(CorpusError, match=message) as caught:
        build_corpus(config, tmp_path / "corpus")
    assert "\n" not in str(caught.value)
