"""Where code comes from: folders, git repositories, the standard library and installed distributions.

Owns finding files and the licence they stand under. Must never judge a file's content: that is `filters`.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import stat
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from lsp_server.errors import CorpusError
from trainer.corpus import git, licences

SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages", "build", "dist"})
"""Never entered where git cannot say what is ignored; nor are hidden folders and virtual environments."""

LICENCE_FILES = ("licen[cs]e*", "LICEN[CS]E*", "Licen[cs]e*", "COPYING*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One candidate: not opened yet."""

    path: str
    """Relative to its source, with slashes."""
    num_bytes: int
    location: Path | str
    """A file, or the id of a git blob."""
    version: str = ""
    """Changes when the content may have changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One body of code under one licence."""

    name: str
    kind: Literal["folder", "git", "stdlib", "package"]
    root: str
    licence: str
    version: str
    list_files: Callable[[], list[SourceFile]]
    open_reader: Callable[[], AbstractContextManager[Callable[[SourceFile], bytes]]]
    repository: str = ""
    """owner/name, where git knows it."""
    note: str = ""
    """Why there may be nothing in it."""


def find_sources(spec: str) -> list[Source]:
    """Resolve one entry of a recipe's `sources`.

    Raises: CorpusError for a path or a distribution that does not exist, or a folder that git refuses to read.
    """
    if spec == "stdlib":
        return [_stdlib()]
    if spec == "site-packages":
        return _all_packages()
    if spec.startswith("package:"):
        return [_named_package(spec.removeprefix("package:"))]
    root = Path(spec).expanduser().resolve()
    if not root.is_dir():
        raise CorpusError(
            f"source {spec!r} is not a folder: give a folder, a git repository, stdlib, site-packages or package:NAME"
        )
    return _from_path(root)


def _stdlib() -> Source:
    root = Path(sysconfig.get_path("stdlib"))
    return _on_disk("stdlib", "stdlib", root, "Python-2.0", platform.python_version(), lambda: _walk(root)[0])


def _all_packages() -> list[Source]:
    by_name: dict[str, importlib.metadata.Distribution] = {}
    for distribution in importlib.metadata.distributions():
        by_name.setdefault(_field(distribution, "Name") or "", distribution)
    return [_package(by_name[name]) for name in sorted(by_name, key=str.lower) if name]


def _named_package(name: str) -> Source:
    if not name:
        raise CorpusError("source 'package:' has no name: write package:NAME")
    try:
        return _package(importlib.metadata.distribution(name))
    except importlib.metadata.PackageNotFoundError as error:
        raise CorpusError(f"source 'package:{name}' is not installed here: install it, or correct the name") from error


def _package(distribution: importlib.metadata.Distribution) -> Source:
    licence = licences.from_metadata(
        _field(distribution, "License-Expression"),
        _field(distribution, "License"),
        distribution.metadata.get_all("Classifier") or [],
    )

    def list_files() -> list[SourceFile]:
        found: list[SourceFile] = []
        for entry in distribution.files or []:
            if ".." not in entry.parts and "__editable__" not in entry.name:
                found += _stat(Path(str(entry.locate())), entry.as_posix())
        return found

    root = Path(str(distribution.locate_file("")))
    return _on_disk(_field(distribution, "Name") or "", "package", root, licence, distribution.version, list_files)


def _field(distribution: importlib.metadata.Distribution, key: str) -> str | None:
    """One line of a distribution's metadata; half-removed distributions have none."""
    return next(iter(distribution.metadata.get_all(key) or []), None)


def _from_path(root: Path) -> list[Source]:
    """A repository, or a folder with the repositories in it, each of which git answers for."""
    if git.is_repository(root):
        return [_repository(root)]
    if git.is_in_work_tree(root):
        note = f"{root} lies in a git work tree: what git ignores is left out"
        return [replace(_folder(root, lambda: _listed_by_git(root)), note=note)]
    nested = [_repository(path) for path in _walk(root)[1]]
    return [_folder(root, lambda: _walk(root)[0]), *nested]


def _repository(root: Path) -> Source:
    commit = git.head(root)
    origin = git.origin(root)
    name = origin.rpartition("/")[2] or root.name.removesuffix(".git")

    def list_files() -> list[SourceFile]:
        if not commit:
            return []
        return [
            SourceFile(path=blob.path, num_bytes=blob.num_bytes, location=blob.object_id, version=blob.object_id)
            for blob in git.list_blobs(root, commit)
        ]

    return Source(
        name=name,
        kind="git",
        root=str(root),
        licence=_licence_of_blobs(root, commit) if commit else licences.UNKNOWN,
        version=commit,
        list_files=list_files,
        open_reader=lambda: git.BlobReader(root),
        repository=origin,
        note="" if commit else f"{root} is a git repository without a commit: commit the files to train on",
    )


def _folder(root: Path, list_files: Callable[[], list[SourceFile]]) -> Source:
    return _on_disk(root.name, "folder", root, _licence_of_folder(root), "", list_files)


def _on_disk(
    name: str,
    kind: Literal["folder", "stdlib", "package"],
    root: Path,
    licence: str,
    version: str,
    list_files: Callable[[], list[SourceFile]],
) -> Source:
    return Source(
        name=name,
        kind=kind,
        root=str(root),
        licence=licence,
        version=version,
        list_files=list_files,
        open_reader=lambda: nullcontext(_read_from_disk),
    )


def _read_from_disk(file: SourceFile) -> bytes:
    return Path(file.location).read_bytes()


def _listed_by_git(root: Path) -> list[SourceFile]:
    return [file for path in git.list_work_tree(root) for file in _stat(root / path, path)]


def _walk(root: Path) -> tuple[list[SourceFile], list[Path]]:
    """The plain files below a folder, and the git repositories, which are not entered. Links are never followed."""
    files: list[SourceFile] = []
    repositories: list[Path] = []
    for folder, folders, names in os.walk(root, followlinks=False):
        here = Path(folder)
        entered = [name for name in sorted(folders) if _is_entered(here / name)]
        repositories += [here / name for name in entered if git.is_repository(here / name)]
        folders[:] = [name for name in entered if not git.is_repository(here / name)]
        for name in sorted(names):
            files += _stat(here / name, (here / name).relative_to(root).as_posix())
    return files, sorted(repositories)


def _is_entered(folder: Path) -> bool:
    hidden = folder.name.startswith(".")
    environment = (folder / "pyvenv.cfg").exists()
    return not (hidden or environment or folder.is_symlink() or folder.name in SKIPPED_FOLDERS)


def _stat(location: Path, path: str) -> Iterator[SourceFile]:
    """The file, unless it is a link, is gone, or is no plain file."""
    try:
        status = location.lstat()
    except OSError:
        return
    if stat.S_ISREG(status.st_mode):
        yield SourceFile(path=path, num_bytes=status.st_size, location=location, version=str(status.st_mtime_ns))


def _licence_of_folder(root: Path) -> str:
    files = sorted({path for pattern in LICENCE_FILES for path in root.glob(pattern) if path.is_file()})
    return _all_of(path.read_bytes()[:100_000] for path in files)


def _licence_of_blobs(root: Path, commit: str) -> str:
    blobs = [
        SourceFile(path=blob.path, num_bytes=blob.num_bytes, location=blob.object_id)
        for blob in git.list_blobs(root, commit, recursive=False)
        if any(PurePosixPath(blob.path).match(pattern) for pattern in LICENCE_FILES) and blob.num_bytes < 100_000
    ]
    with git.BlobReader(root) as read:
        return _all_of(read(blob) for blob in blobs)


def _all_of(texts: Iterator[bytes]) -> str:
    names = {licences.from_text(text.decode("utf-8", "replace")) for text in texts}
    return " AND ".join(sorted(names)) or licences.UNKNOWN
