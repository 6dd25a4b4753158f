"""Finding files: what each kind of source lists, reads and says of its licence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.errors import CorpusError
from trainer.corpus.source import Source
from trainer.corpus.sources import find_all, find_sources
from trainer.corpus.units import open_reader

MIT_TEXT = 'Permission is hereby granted, free of charge, to any person obtaining a copy ... provided "AS IS"'


def contents(source: Source) -> dict[str, str]:
    with open_reader(source.kind, source.root) as read:
        return {file.path: read(file).decode() for file in source.list_files()}


def only(spec: object) -> Source:
    (source,) = find_sources(str(spec))
    return source


def test_folder_lists_plain_files_and_its_licence(tmp_path: Path, write_files: Callable[..., Path]) -> None:
    folder = write_files(
        tmp_path / "project",
        {
            "LICENSE": MIT_TEXT,
            "a.py": "a",
            "sub/b.py": "b",
            ".hidden/c.py": "c",
            "__pycache__/d.py": "d",
            "node_modules/e.py": "e",
            "environment/pyvenv.cfg": "",
            "environment/lib/f.py": "f",
        },
    )
    source = only(folder)
    assert contents(source) == {"LICENSE": MIT_TEXT, "a.py": "a", "sub/b.py": "b"}
    assert (source.name, source.kind, source.licence) == ("project", "folder", "MIT")


def test_folder_without_licence_is_unknown(tmp_path: Path, write_files: Callable[..., Path]) -> None:
    assert only(write_files(tmp_path / "project", {"a.py": "a"})).licence == "unknown"


def test_links_are_never_followed(tmp_path: Path, write_files: Callable[..., Path]) -> None:
    folder = write_files(tmp_path / "project", {"a.py": "a", "sub/b.py": "b"})
    (folder / "sub" / "up").symlink_to(folder, target_is_directory=True)
    (folder / "self.py").symlink_to(folder / "self.py")
    outside = write_files(tmp_path / "elsewhere", {"secret.py": "s"})
    (folder / "secret.py").symlink_to(outside / "secret.py")
    assert contents(only(folder)) == {"a.py": "a", "sub/b.py": "b"}


def test_repository_lists_what_git_tracks_at_head(
    tmp_path: Path, make_repository: Callable[..., Path], write_files: Callable[..., Path]
) -> None:
    folder = make_repository(
        tmp_path / "project",
        {"a.py": "committed", ".gitignore": "secret.py\n", "ü \t.py": "odd name", "LICENSE": MIT_TEXT},
    )
    write_files(folder, {"a.py": "edited", "new.py": "n", "secret.py": "s"})
    source = only(folder)
    assert {path for path in contents(source) if path.endswith(".py")} == {"a.py", "ü \t.py"}
    assert contents(source)["a.py"] == "committed"
    assert (source.kind, source.licence, len(source.version)) == ("git", "MIT", 40)


def test_cyclic_links_in_a_repository_are_left_out(
    tmp_path: Path, make_repository: Callable[..., Path], run_git: Callable[..., None]
) -> None:
    folder = make_repository(tmp_path / "project", {"a.py": "a"})
    (folder / "loop").symlink_to(".", target_is_directory=True)
    (folder / "self.py").symlink_to("self.py")
    run_git(folder, "add", "-A")
    run_git(folder, "commit", "-q", "-m", "links")
    assert contents(only(folder)) == {"a.py": "a"}


def test_bare_repository_is_read_and_named(
    tmp_path: Path, make_repository: Callable[..., Path], run_git: Callable[..., None]
) -> None:
    folder = make_repository(tmp_path / "project", {"a.py": "a"})
    run_git(tmp_path, "clone", "-q", "--bare", str(folder), "copy.git")
    run_git(tmp_path / "copy.git", "remote", "set-url", "origin", "git@host.invalid:owner/tool.git")
    source = only(tmp_path / "copy.git")
    assert contents(source) == {"a.py": "a"}
    assert (source.name, source.repository) == ("tool", "owner/tool")


def test_repository_without_commits_is_empty_and_says_why(tmp_path: Path, make_repository: Callable[..., Path]) -> None:
    source = only(make_repository(tmp_path / "project", {"a.py": "a"}, commit=False))
    assert contents(source) == {}
    assert "without a commit: commit the files" in source.note


def test_folder_inside_a_work_tree_leaves_out_what_git_ignores(
    tmp_path: Path, make_repository: Callable[..., Path], write_files: Callable[..., Path]
) -> None:
    folder = make_repository(tmp_path / "project", {".gitignore": "ignored*\n", "sub/a.py": "a", "other.py": "o"})
    write_files(folder / "sub", {"ignored.py": "i", "ignored/b.py": "b", "new.py": "n"})
    (folder / "sub" / "loop").symlink_to("..", target_is_directory=True)
    source = only(folder / "sub")
    assert contents(source) == {"a.py": "a", "new.py": "n"}
    assert "what git ignores is left out" in source.note


def test_folder_of_repositories_asks_git_for_each(
    tmp_path: Path, make_repository: Callable[..., Path], write_files: Callable[..., Path]
) -> None:
    code = write_files(tmp_path / "code", {"loose.py": "l"})
    first = make_repository(code / "first", {"a.py": "a", ".gitignore": "secret.py\n"})
    write_files(first, {"secret.py": "s"})
    make_repository(code / "group" / "second", {"b.py": "b"})
    found = {source.name: contents(source) for source in find_sources(str(code))}
    assert found["code"] == {"loose.py": "l"}
    assert "secret.py" not in found["first"]
    assert found["second"] == {"b.py": "b"}


def test_settings_of_a_repository_start_no_program(
    tmp_path: Path, make_repository: Callable[..., Path], run_git: Callable[..., None]
) -> None:
    folder = make_repository(tmp_path / "project", {"sub/a.py": "a"})
    run_git(folder, "config", "core.fsmonitor", f"touch {tmp_path / 'started'}; false")
    for source in [only(folder), only(folder / "sub")]:
        contents(source)
    assert not (tmp_path / "started").exists()


def test_damaged_repository_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "project" / ".git").mkdir(parents=True)
    with pytest.raises(CorpusError, match="git cannot read") as caught:
        find_sources(str(tmp_path / "project"))
    assert "\n" not in str(caught.value)


def test_stdlib_is_the_running_interpreters_without_site_packages() -> None:
    source = only("stdlib")
    paths = {file.path for file in source.list_files()}
    assert {"json/decoder.py", "venv/__init__.py"} <= paths
    assert not any("site-packages" in path for path in paths)


def test_package_lists_its_record(make_package: Callable[..., None]) -> None:
    make_package("madeup", {"madeup/core.py": "c", "madeup/data.txt": "d"}, licence="BSD-2-Clause", version="2.5")
    source = only("package:madeup")
    assert {path for path in contents(source) if path.startswith("madeup/")} == {"madeup/core.py", "madeup/data.txt"}
    assert (source.name, source.licence, source.version) == ("madeup", "BSD-2-Clause", "2.5")


def test_site_packages_finds_each_distribution_once(make_package: Callable[..., None], tmp_path: Path) -> None:
    make_package("madeup", {"madeup.py": "m"})
    (tmp_path / "site" / "removed-1.0.dist-info").mkdir()  # what an uninstall that was stopped leaves
    (tmp_path / "site" / "removed-1.0.dist-info" / "METADATA").write_text("")
    names = [source.name for source in find_sources("site-packages")]
    assert names.count("madeup") == 1
    assert names == sorted(names, key=str.lower)
    assert "pytest" in names


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("package:no-such-thing", "is not installed here"),
        ("package:", "has no name: write package:NAME"),
        ("/no/such", "not a folder"),
    ],
)
def test_missing_source_is_named(spec: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        find_sources(spec)


def test_a_list_stands_for_the_sources_in_it_each_once(tmp_path: Path, write_files: Callable[..., Path]) -> None:
    one, two = (write_files(tmp_path / name, {"a.py": name}) for name in ("one", "two"))
    names = tmp_path / "names.txt"
    names.write_text(f"# two folders\n{one}\n\n  {two}  # the second\n{one}\n")
    assert [source.name for source in find_all([f"list:{names}", str(two)])] == ["one", "two"]


def test_a_list_that_cannot_be_read_is_named() -> None:
    with pytest.raises(CorpusError, match=r"source 'list:no-such.txt' cannot be read"):
        find_all(["list:no-such.txt"])
