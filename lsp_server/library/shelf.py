"""The user's models on disk: names, versions, reports. Does not know which one is in use.

DATA/models/NAME/versions/0003/         a bundle, whole or not there; never changed once it is
DATA/models/NAME/reports/0003.html      what the training that made it, or was refused, came to
DATA/models/NAME/work/                  the trainer's own folder; it holds text of the user's code

A training takes the next number; one that was refused leaves a report and no version.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from lsp_server.data_folder import data_folder
from lsp_server.errors import LibraryError
from lsp_server.model.opening import open_model
from lsp_server.whole import whole_folder

EMBEDDED_NAME = "embedded"
"""Of the model inside the package; no model of a user's can have it."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NUMBER = re.compile(r"(\d{4,})(\.html)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One bundle of a model."""

    number: int
    folder: Path
    report: Path
    """It may not be there: a model that somebody else trained comes without one."""

    @property
    def made_at(self) -> float:
        """Seconds since 1970."""
        return self.folder.stat().st_mtime

    @property
    def num_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.folder.iterdir())


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """One model by its name; it need not be there yet."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name == EMBEDDED_NAME:
            raise LibraryError(
                f"{self.name!r} cannot be a model's name: use up to 64 letters, digits, dots, dashes and underscores, "
                f"and not {EMBEDDED_NAME!r}"
            )

    @property
    def folder(self) -> Path:
        return models_folder() / self.name

    @property
    def work(self) -> Path:
        """Where the trainer keeps what it made on the way."""
        return self.folder / "work"

    @property
    def versions(self) -> tuple[Version, ...]:
        """Oldest first."""
        return tuple(self.version(number) for number in _numbers(self.folder / "versions"))

    def version(self, number: int) -> Version:
        """The places of a version, which may be to come."""
        name = f"{number:04d}"
        return Version(
            number=number,
            folder=self.folder / "versions" / name,
            report=self.folder / "reports" / f"{name}.html",
        )

    def next_version(self) -> Version:
        """With a number that neither a version nor a report has."""
        taken = [*_numbers(self.folder / "versions"), *_numbers(self.folder / "reports")]
        return self.version(1 + max(taken, default=0))

    def publish(self, bundle: Path, version: Version) -> None:
        """Copy a bundle to its place, whole or not at all. Raises: BundleError, LibraryError."""
        open_model(bundle)  # verified first: its hashes are those of its files
        try:
            with whole_folder(version.folder) as partial:
                shutil.copytree(bundle, partial, dirs_exist_ok=True)
                os.utime(partial)
        except OSError as error:
            raise LibraryError(
                f"the model cannot be written to {version.folder} ({error}): free disk space, then try again"
            ) from error

    def require(self) -> None:
        """Raises: LibraryError when there is no such model, with those that there are."""
        if not self.folder.is_dir():
            known = ", ".join(shelf.name for shelf in all_shelves()) or "none but the embedded one"
            raise LibraryError(f"there is no model {self.name!r}: there are {known}")

    def delete(self) -> None:
        """Remove the model with its versions, its reports, and all text that it was trained on."""
        self.require()
        try:
            shutil.rmtree(self.folder)
        except OSError as error:
            raise LibraryError(f"{self.folder} cannot be deleted ({error}): delete it by hand") from error


def models_folder() -> Path:
    """Where all models of this user are."""
    return data_folder() / "models"


def all_shelves() -> list[Shelf]:
    """Every model that is there, by name."""
    folder = models_folder()
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []
    return [Shelf(name=name) for name in names if _NAME.fullmatch(name) and name != EMBEDDED_NAME]


def _numbers(folder: Path) -> list[int]:
    entries = folder.iterdir() if folder.is_dir() else ()
    return sorted({int(match[1]) for entry in entries if (match := _NUMBER.fullmatch(entry.name))})
