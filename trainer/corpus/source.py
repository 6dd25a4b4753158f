"""What a source of code is: a name, a licence, and files that are listed now and opened later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["folder", "git", "stdlib", "package", "rows", "hub"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One candidate, not opened yet; of the kinds `rows` and `hub` one file of many candidates."""

    path: str
    """Relative to its source, with slashes."""
    num_bytes: int
    location: Path | str
    """A file, the id of a git blob, or the number of a shard of the Hub."""
    version: str = ""
    """Changes when the content may have changed."""
    is_late: bool = False
    """Changed since `heldout_after`, or by the newest commits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """What a recipe says about finding sources, besides their names."""

    cache: Path | None = None
    """Where what is fetched is kept."""
    since: str = ""
    """A date, from which on what a repository changed is late."""
    latest_share: float = 0.0
    """Of a repository's bytes in files of `extensions`: what was changed last is late, up to about so much."""
    extensions: tuple[str, ...] = (".py",)
    tracked_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One body of code under one licence."""

    name: str
    kind: Kind
    root: str
    licence: str
    version: str
    """A package's version, or the commit."""
    list_files: Callable[[], list[SourceFile]]
    repository: str = ""
    """owner/name, where git knows it."""
    note: str = ""
    """Why there may be nothing in it."""
