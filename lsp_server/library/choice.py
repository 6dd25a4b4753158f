"""Which model the user has chosen, and what was chosen before. Their own state: no workspace can set it.

DATA/models/in-use.json    {"history": [{"name": "work", "version": 1}, ...]}: the last is in use, none means embedded

A version that is gone is passed over, so that whatever happens to the folder, some model answers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lsp_server.errors import LibraryError
from lsp_server.library.shelf import EMBEDDED_NAME, Shelf, models_folder
from lsp_server.model.embedded import EMBEDDED
from lsp_server.whole import write_whole

_MOST_REMEMBERED = 50
_SEPARATOR = "@"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A model and its version; the embedded one has version 0."""

    name: str
    version: int = 0

    @property
    def folder(self) -> Path:
        return EMBEDDED if self.name == EMBEDDED_NAME else Shelf(name=self.name).version(self.version).folder

    @property
    def title(self) -> str:
        return self.name if self.name == EMBEDDED_NAME else f"{self.name}{_SEPARATOR}{self.version}"


def in_use() -> Chosen:
    """What answers now."""
    return _present(_history())[-1]


def model_in_use() -> Path:
    """Its folder."""
    return in_use().folder


def state_file() -> Path:
    """Whoever wants to see a new choice at once looks at this file's time."""
    return models_folder() / "in-use.json"


def use(text: str) -> Chosen:
    """Choose a model. Raises: LibraryError as `find` does."""
    chosen = find(text)
    history = _present(_history())
    if history[-1] != chosen:
        _write([*history, chosen])
    return chosen


def back() -> Chosen:
    """Choose what was in use before. Raises: LibraryError when nothing was."""
    history = _present(_history())
    if len(history) == 1:
        raise LibraryError(f"{history[0].title} is the first model that was in use: there is none to go back to")
    _write(history[:-1])
    return history[-2]


def delete(name: str) -> Chosen:
    """Delete a model with all its versions and its data; returns what is in use then. Raises: LibraryError."""
    if name == EMBEDDED_NAME:
        raise LibraryError("the embedded model is part of the package: it cannot be deleted")
    shelf = Shelf(name=name)
    shelf.require()
    _write(_present([chosen for chosen in _history() if chosen.name != name]))  # first: nobody loads what is going
    shelf.delete()
    return in_use()


def find(text: str) -> Chosen:
    """What `NAME`, which is its newest version, or `NAME@VERSION` stands for. Raises: LibraryError."""
    name, separator, number = text.partition(_SEPARATOR)
    if name == EMBEDDED_NAME and not separator:
        return Chosen(name=name)
    shelf = Shelf(name=name)
    shelf.require()
    numbers = [version.number for version in shelf.versions]
    if not numbers:
        raise LibraryError(
            f"the model {name!r} has no version yet that was better than its base: train it with more code"
        )
    if not separator:
        return Chosen(name=name, version=numbers[-1])
    if not number.isdigit() or int(number) not in numbers:
        raise LibraryError(f"the model {name!r} has no version {number!r}: it has {', '.join(map(str, numbers))}")
    return Chosen(name=name, version=int(number))


def _present(history: Sequence[Chosen]) -> list[Chosen]:
    """Without versions that are gone and without repeats in a row; the embedded model comes before everything."""
    kept = [Chosen(name=EMBEDDED_NAME)]
    for chosen in history:
        if chosen != kept[-1] and chosen.folder.is_dir():
            kept.append(chosen)
    return kept


def _history() -> list[Chosen]:
    """Damage to the file costs the choice and nothing else."""
    try:
        entries = json.loads(state_file().read_text(encoding="utf-8"))["history"]
        return [_checked(entry["name"], entry["version"]) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError, LibraryError):
        return []


def _checked(name: object, version: object) -> Chosen:
    """Raises: LibraryError for a name that would lead out of the folder, TypeError for what is none."""
    if type(name) is not str or type(version) is not int:
        raise TypeError(name)
    return Chosen(name=name if name == EMBEDDED_NAME else Shelf(name=name).name, version=version)


def _write(history: Sequence[Chosen]) -> None:
    entries = [asdict(chosen) for chosen in history][-_MOST_REMEMBERED:]
    try:
        write_whole(state_file(), json.dumps({"history": entries}, indent=2) + "\n")
    except OSError as error:
        raise LibraryError(
            f"{state_file()} cannot be written ({error}): the model in use stays; free disk space"
        ) from error
