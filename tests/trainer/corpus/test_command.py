"""`parrotlet-train corpus` as a user meets it: what the options do, and mistakes on one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.cli import main
from trainer.corpus.store import read_documents, read_manifest

WriteFiles = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path, write_files: WriteFiles, module: Callable[[int], str]) -> Path:
    files = {f"{number}.py": module(number) for number in range(10)}
    return write_files(
        tmp_path / "project",
        {**files, "bare.py": "value = 1\n", "old.py": "# old\nprint 'x'\n", "a.js": "// a remark\nlet count = 1;\n"},
    )


def corpus(out: Path, *arguments: object) -> int:
    return main(["corpus", *map(str, arguments), "--out", str(out)])


def test_ten_files_are_told_to_be_too_few(tmp_path: Path, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert corpus(tmp_path / "corpus", project) == 0
    said = capsys.readouterr().out
    assert "too small to train a model from nothing" in said
    assert "fine-tune a pretrained model" in said
    assert str(tmp_path / "corpus" / "report.html") in said
    assert said.count("\n") == 1


def test_options_reach_the_filters(tmp_path: Path, project: Path) -> None:
    assert corpus(tmp_path / "commented", project, "--min-comment-share", "0.01") == 0
    assert read_manifest(tmp_path / "commented").dropped == {"few_comments": 1}
    arguments = [
        "--must-parse",
        "--extension",
        ".py",
        "--extension",
        ".js",
        "--workers",
        "1",
    ]
    assert corpus(tmp_path / "other", project, *arguments) == 0
    manifest = read_manifest(tmp_path / "other")
    assert manifest.dropped == {"does_not_parse": 1}
    assert manifest.languages.keys() == {"Python", "JavaScript"}
    paths = {document.path for split in ("train", "heldout") for document in read_documents(tmp_path / "other", split)}
    assert {"a.js", "bare.py"} <= paths


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/no/such.jsonl"], "source '/no/such.jsonl' is not a folder"),
        (["hf:"], "'hf:' names no data set"),
        (["PROJECT", "--workers", "0"], "--workers is 0: give at least 1"),
        (["PROJECT", "--near-duplicates", "7"], "corpus.near_duplicates is 7.0"),
        (["PROJECT", "--heldout-after", "soon"], "corpus.heldout_after is 'soon': write a date such as 2025-01-31"),
        (["PROJECT", "--decontaminate", "none.jsonl"], "benchmark none.jsonl cannot be read"),
        (["PROJECT", "--exclude-repositories", "none.txt"], "corpus.exclude_repositories has 'none.txt'"),
        (["PROJECT", "--min-documents", "1000"], "documents to train on, fewer than 1000"),
        (["FRESH"], "is a git repository without a commit: commit the files to train on"),
        (["LINKS"], "the corpus has 0 documents to train on"),
        (["file:///no/such/repository"], "git cannot fetch file:///no/such/repository"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path,
    project: Path,
    make_repository: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    links = tmp_path / "links"
    links.mkdir()
    (links / "loop").symlink_to(links, target_is_directory=True)
    (links / "a.py").symlink_to(links / "a.py")
    fresh = make_repository(tmp_path / "fresh", {"a.py": "a"}, commit=False)
    places = {"PROJECT": project, "FRESH": fresh, "LINKS": links}
    assert corpus(tmp_path / "corpus", *(places.get(argument, argument) for argument in arguments)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "corpus").exists()
