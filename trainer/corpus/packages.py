"""The running interpreter's standard library and installed distributions as sources."""

from __future__ import annotations

import importlib.metadata
import platform
import sysconfig
from pathlib import Path, PurePosixPath

from lsp_server.errors import CorpusError
from trainer.corpus import licences
from trainer.corpus.folders import LICENCE_FILES, MAX_LICENCE_BYTES, licence_of_texts, look_at, on_disk, walk
from trainer.corpus.source import Source, SourceFile


def stdlib() -> Source:
    """The standard library, without what is installed into it."""
    root = Path(sysconfig.get_path("stdlib"))
    return on_disk("stdlib", "stdlib", root, "Python-2.0", platform.python_version(), lambda: walk(root)[0])


def all_packages() -> list[Source]:
    """Every distribution that is installed, by name."""
    by_name: dict[str, importlib.metadata.Distribution] = {}
    for distribution in importlib.metadata.distributions():
        by_name.setdefault(_field(distribution, "Name") or "", distribution)
    return [_package(by_name[name]) for name in sorted(by_name, key=str.lower) if name]


def package(name: str) -> Source:
    """One distribution. Raises: CorpusError when it is not installed."""
    if not name:
        raise CorpusError("source 'package:' has no name: write package:NAME")
    try:
        return _package(importlib.metadata.distribution(name))
    except importlib.metadata.PackageNotFoundError as error:
        raise CorpusError(f"source 'package:{name}' is not installed here: install it, or correct the name") from error


def _package(distribution: importlib.metadata.Distribution) -> Source:
    def list_files() -> list[SourceFile]:
        found: list[SourceFile] = []
        for entry in distribution.files or []:
            if ".." not in entry.parts and "__editable__" not in entry.name:
                found += look_at(Path(str(entry.locate())), entry.as_posix())
        return found

    root = Path(str(distribution.locate_file("")))
    name = _field(distribution, "Name") or ""
    return on_disk(name, "package", root, _licence(distribution), distribution.version, list_files)


def _licence(distribution: importlib.metadata.Distribution) -> str:
    """What the metadata states; where that is nothing, what the licence files say.

    A package has no repository of its own here, and its licence file often carries those of parts it bundles.
    """
    stated = licences.from_metadata(
        _field(distribution, "License-Expression"),
        _field(distribution, "License"),
        distribution.metadata.get_all("Classifier") or [],
    )
    if stated != licences.UNKNOWN:
        return stated
    files = [
        Path(str(entry.locate()))
        for entry in distribution.files or []
        if any(PurePosixPath(entry.name).match(pattern) for pattern in LICENCE_FILES)
        and ".dist-info" in str(entry.parent)
    ]
    return licence_of_texts(file.read_bytes()[:MAX_LICENCE_BYTES] for file in files if file.is_file())


def _field(distribution: importlib.metadata.Distribution, key: str) -> str | None:
    """One line of a distribution's metadata; half-removed distributions have none."""
    return next(iter(distribution.metadata.get_all(key) or []), None)
