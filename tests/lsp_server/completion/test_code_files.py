from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.completion import code_files as module
from lsp_server.completion.code_files import code_files, read_code

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*names: str, text: str = "x = 1\n") -> None:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)

    return write


def names(folder: Path, document: str, **options: object) -> list[str]:
    root = options.pop("root", folder)
    return [path.relative_to(folder).as_posix() for path in code_files(folder / document, root, **options)]


def as_repository(folder: Path) -> None:
    subprocess.run(["git", "init", "-q", str(folder)], check=True, timeout=30)


def test_the_nearest_files_of_the_documents_kind_come_first(tmp_path: Path, write: Write) -> None:
    write("a/b/me.py", "far/away/x.py", "a/b/near.py", "a/parent.py", "a/b/other.js", "top.py")
    assert names(tmp_path, "a/b/me.py") == ["a/b/near.py", "a/parent.py", "top.py", "far/away/x.py"]


@pytest.mark.parametrize("has_git", [True, False])
def test_what_is_not_the_users_own_is_left_out(tmp_path: Path, write: Write, has_git: bool) -> None:
    write(
        "me.py", "own.py", "node_modules/x.py", "venv/lib/x.py", "secrets.py", "conf/prod.env.py", "my_credentials.py"
    )
    if has_git:
        as_repository(tmp_path)
    assert names(tmp_path, "me.py") == ["own.py"]


def test_what_git_ignores_is_left_out(tmp_path: Path, write: Write) -> None:
    write("me.py", "own.py", "made/x.py")
    write(".gitignore", text="made/\n")
    assert "made/x.py" in names(tmp_path, "me.py")
    as_repository(tmp_path)
    assert names(tmp_path, "me.py") == ["own.py"]


def test_what_the_user_excludes_is_left_out(tmp_path: Path, write: Write) -> None:
    write("me.py", "own.py", "legacy/x.py", "legacy/deep/y.py")
    assert names(tmp_path, "me.py", excludes=["legacy/*"]) == ["own.py"]


def test_without_a_folder_only_the_documents_own_is_read(tmp_path: Path, write: Write) -> None:
    write("a/me.py", "a/own.py", "a/deep/x.py", "y.py")
    assert names(tmp_path, "a/me.py", root=None) == ["a/own.py"]


def test_no_more_is_read_than_a_memory_may_hold(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("me.py", "a.py", "b.py", "c.py")
    write("huge.py", text="x" * 300_000)
    assert "huge.py" not in names(tmp_path, "me.py")
    monkeypatch.setattr(module, "MOST_FILES", 2)
    assert names(tmp_path, "me.py") == ["a.py", "b.py"]
    monkeypatch.setattr(module, "MOST_BYTES", 7)
    assert names(tmp_path, "me.py") == ["a.py"]


def test_a_huge_folder_without_git_is_not_searched_to_its_end(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("me.py", *(f"a/{number}.py" for number in range(20)))
    monkeypatch.setattr(module, "_MOST_ENTRIES", 10)
    assert names(tmp_path, "me.py") == []


def test_a_document_without_a_suffix_has_no_kind(tmp_path: Path, write: Write) -> None:
    write("Makefile", "other")
    assert names(tmp_path, "Makefile") == []


@pytest.mark.parametrize(
    ("content", "is_read"),
    [
        (b"x = 1\n", True),
        (b"\xff\xfe", False),
        (b"a\x00b", False),
        (b"-----BEGIN PRIVATE " + b"KEY-----", False),
    ],
    ids=["code", "no UTF-8", "binary", "a private key"],
)
def test_only_text_without_a_private_key_is_read(tmp_path: Path, content: bytes, is_read: bool) -> None:
    file = tmp_path / "x.py"
    file.write_bytes(content)
    assert (read_code(file) is not None) is is_read
    assert read_code(tmp_path / "missing.py") is None
