"""A model as one file, for a team: one trains, the others add it. Only a bundle's own files go in or come out."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path

from lsp_server.errors import LibraryError
from lsp_server.library.shelf import Shelf, Version
from lsp_server.model.bundle import DRAFTS, FILES, INT8_WEIGHTS, MANIFEST, open_bundle
from lsp_server.whole import whole_file

_ALLOWED = frozenset({*FILES, DRAFTS, INT8_WEIGHTS, MANIFEST})
MAX_BYTES = 8 * 2**30
"""Of all files unpacked: a parcel that says more is none of ours."""


def write_parcel(folder: Path, file: Path) -> None:
    """Write a bundle as one file. Raises: BundleError, LibraryError."""
    open_bundle(folder)
    try:
        with whole_file(file) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            for entry in sorted(folder.iterdir()):
                archive.write(entry, entry.name)
    except OSError as error:
        raise LibraryError(f"{file} cannot be written ({error}): choose another place, or free disk space") from error


def add_parcel(source: Path, name: str) -> Version:
    """Add a parcel, or a bundle's folder, as the next version of a model. Raises: BundleError, LibraryError."""
    shelf = Shelf(name=name)
    version = shelf.next_version()
    if source.is_dir():
        open_bundle(source)
        shelf.publish(source, version)
        return version
    with tempfile.TemporaryDirectory(prefix="parrotlet-") as unpacked:
        _unpack(source, Path(unpacked))
        shelf.publish(Path(unpacked), version)
    return version


def _unpack(file: Path, folder: Path) -> None:
    """Only plain names that a bundle has, so nothing is written anywhere else."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            strange = sorted({entry.filename for entry in entries} - _ALLOWED)
            if strange or sum(entry.file_size for entry in entries) > MAX_BYTES:
                what = f"it holds {strange[0]!r}" if strange else "it is too large"
                raise LibraryError(f"{file} is no model of Parrotlet's ({what}): ask for another copy")
            for entry in entries:
                with archive.open(entry) as packed, (folder / entry.filename).open("wb") as out:
                    shutil.copyfileobj(packed, out)
    except (OSError, zipfile.BadZipFile) as error:
        raise LibraryError(
            f"{file} cannot be read ({error}): give a file that `parrotlet models share` wrote"
        ) from error
    open_bundle(folder)
