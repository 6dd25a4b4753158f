"""Finding files on disk without following a link, and the licence of a folder. Never opens a file that is not a
licence."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from trainer.corpus import git, licences
from trainer.corpus.source import Kind, Source, SourceFile

SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages", "build", "dist"})
"""Never entered where git cannot say what is ignored; nor are hidden folders and virtual environments."""

LICENCE_FILES = ("licen[cs]e*", "LICEN[CS]E*", "Licen[cs]e*", "COPYING*")
MAX_LICENCE_BYTES = 100_000


def folder(root: Path, list_files: Callable[[], list[SourceFile]], note: str = "") -> Source:
    """A plain folder as a source."""
    return Source(
        name=root.name,
        kind="folder",
        root=str(root),
        licence=_licence_of(root),
        version="",
        list_files=list_files,
        note=note,
    )


def on_disk(
    name: str, kind: Kind, root: Path, licence: str, version: str, files: Callable[[], list[SourceFile]]
) -> Source:
    """A source of files that are read from where they lie."""
    return Source(name=name, kind=kind, root=str(root), licence=licence, version=version, list_files=files)


def walk(root: Path) -> tuple[list[SourceFile], list[Path]]:
    """The plain files below a folder, and the git repositories, which are not entered. Links are never followed."""
    files: list[SourceFile] = []
    repositories: list[Path] = []
    waiting = [(str(root), "")]
    while waiting:
        here, prefix = waiting.pop()
        entries = _entries(here)
        names = {entry.name for entry in entries}
        if prefix and (".git" in names or names >= {"HEAD", "objects", "refs"}) and git.is_repository(Path(here)):
            repositories.append(Path(here))
        elif not prefix or "pyvenv.cfg" not in names:
            files += [file for entry in entries if (file := _plain_file(entry, prefix)) is not None]
            waiting += [(entry.path, f"{prefix}{entry.name}/") for entry in entries if _is_entered(entry)]
    return sorted(files, key=lambda file: file.path), sorted(repositories)


def look_at(location: Path, path: str) -> Iterator[SourceFile]:
    """The file, unless it is a link, is gone, or is no plain file."""
    try:
        status = location.lstat()
    except OSError:
        return
    if stat.S_ISREG(status.st_mode):
        yield SourceFile(path=path, num_bytes=status.st_size, location=location, version=str(status.st_mtime_ns))


def licence_of_texts(texts: Iterable[bytes]) -> str:
    """The licences of all licence files together: all of them bind."""
    names = {licences.from_text(text.decode("utf-8", "replace")) for text in texts}
    return " AND ".join(sorted(names)) or licences.UNKNOWN


def _licence_of(root: Path) -> str:
    files = sorted({path for pattern in LICENCE_FILES for path in root.glob(pattern) if path.is_file()})
    return licence_of_texts(path.read_bytes()[:MAX_LICENCE_BYTES] for path in files)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:  # not for us to read, or gone
        return []


def _plain_file(entry: os.DirEntry[str], prefix: str) -> SourceFile | None:
    try:
        if not entry.is_file(follow_symlinks=False):
            return None
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    path = f"{prefix}{entry.name}"
    return SourceFile(path=path, num_bytes=status.st_size, location=entry.path, version=str(status.st_mtime_ns))


def _is_entered(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and entry.name not in SKIPPED_FOLDERS and entry.is_dir(follow_symlinks=False)
