from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.errors import CorpusError
from trainer.evaluate.sources import read_sources

WriteFiles = Callable[..., Path]


def test_every_readable_file_of_code_is_judged_by_once(tmp_path: Path, write_files: WriteFiles) -> None:
    files = {
        "a.py": "def a():\n    return 1\n",
        "copy.py": "def a():\n    return 1\n",
        "tests/test_a.py": "def test_a():\n    assert a() == 1\n",
        "bad.py": b"\xff\xfe\x00",
        "notes.md": "text\n",
        "empty.py": "\n",
    }
    documents = read_sources([str(write_files(tmp_path / "mine", files))])
    assert sorted(document.path.removeprefix("copy").removeprefix("a") for document in documents) == [
        ".py",
        "tests/test_a.py",
    ]
    assert {document.source for document in documents} == {"mine"}


def test_a_repository_that_no_corpus_may_hold_may_judge(tmp_path: Path, write_files: WriteFiles) -> None:
    folder = write_files(tmp_path / "thefuck", {"a.py": "def a():\n    return 1\n"})
    assert len(read_sources([str(folder)])) == 1


def test_nothing_to_judge_by_is_an_error_that_names_the_sources(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(CorpusError, match=r"no file to judge by in .*empty"):
        read_sources([str(empty)])
