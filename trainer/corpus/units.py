"""A corpus cut into units of work, each small enough for one process and to be lost, and the candidates of a unit.

Where the cuts are depends on the sources and the recipe alone, never on the number of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from trainer.corpus import git, hub, rows
from trainer.corpus.config import CorpusConfig
from trainer.corpus.filters import share_of
from trainer.corpus.reserved import reserved_roots
from trainer.corpus.source import Kind, Source, SourceFile

UNIT_BYTES = 16_000_000
UNIT_FILES = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Some files of one source, with all that is needed to judge them in another process."""

    number: int
    source: str
    source_number: int
    """Place of its source among the admitted ones: names need not differ."""
    kind: Kind
    root: str
    licence: str
    repository: str
    version: str
    files: tuple[SourceFile, ...]
    reserved: tuple[str, ...]
    """Folders of the source that hold a copy of a reserved repository."""

    @property
    def num_bytes(self) -> int:
        return sum(file.num_bytes for file in self.files if file.num_bytes < UNIT_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One document that may come in: its text is read when it is asked for."""

    path: str
    num_bytes: int
    repository: str
    licence: str
    is_late: bool
    read: Callable[[], bytes]
    problem: str = ""
    """A reason of `filters.SOURCES` why there is nothing to read."""
    detail: str = ""


def cut(config: CorpusConfig, sources: Iterable[Source]) -> Iterator[Unit]:
    """All units of these sources in order, listing one source at a time."""
    number = 0
    for source_number, source in enumerate(sources):
        listed = source.list_files()
        roots = reserved_roots(file.path for file in listed)
        for files in _portions(source, _wanted(config, source, listed)):
            yield Unit(
                number=number,
                source=source.name,
                source_number=source_number,
                kind=source.kind,
                root=source.root,
                licence=source.licence,
                repository=source.repository,
                version=source.version,
                files=tuple(files),
                reserved=roots,
            )
            number += 1


def candidates(unit: Unit, config: CorpusConfig) -> Iterator[Candidate]:
    """Every candidate of a unit, in its order."""
    if unit.kind in ("rows", "hub"):
        for file in unit.files:
            yield from _rows(unit, file, config)
        return
    with open_reader(unit.kind, unit.root) as read:
        for file in unit.files:
            yield _file(unit, file, read)


def _wanted(config: CorpusConfig, source: Source, listed: list[SourceFile]) -> list[SourceFile]:
    """The files of the recipe's languages, in the order of their paths' hashes.

    That order makes the cap of a source a fair draw over the whole of it, and the same draw in every run.
    """
    if source.kind not in ("rows", "hub"):
        listed = [file for file in listed if file.path.endswith(config.extensions)]
    return sorted(listed, key=lambda file: share_of(f"{source.name}/{file.path}"))


def _portions(source: Source, files: list[SourceFile]) -> Iterator[list[SourceFile]]:
    """Units of files; a file of rows is a unit by itself. A source without files is one empty unit, to be reported."""
    if source.kind in ("rows", "hub"):
        yield from ([file] for file in files)
        return
    portion: list[SourceFile] = []
    num_bytes = 0
    for file in files:
        if portion and (num_bytes + file.num_bytes > UNIT_BYTES or len(portion) == UNIT_FILES):
            yield portion
            portion, num_bytes = [], 0
        portion.append(file)
        num_bytes += file.num_bytes
    yield portion


def open_reader(kind: Kind, root: str) -> AbstractContextManager[Callable[[SourceFile], bytes]]:
    """What reads the files of a source that are documents, one by one."""
    return git.BlobReader(Path(root)) if kind == "git" else nullcontext(_read_from_disk)


def _read_from_disk(file: SourceFile) -> bytes:
    return Path(file.location).read_bytes()


def _file(unit: Unit, file: SourceFile, read: Callable[[SourceFile], bytes]) -> Candidate:
    return Candidate(
        path=file.path,
        num_bytes=file.num_bytes,
        repository=unit.repository or unit.source,
        licence=unit.licence,
        is_late=file.is_late,
        read=lambda: read(file),
    )


def _rows(unit: Unit, file: SourceFile, config: CorpusConfig) -> Iterator[Candidate]:
    stream = hub.read_shard(unit.root, file, config) if unit.kind == "hub" else rows.read_rows(file, config)
    try:
        for row in stream:
            if row.text is not None and not row.path.endswith(config.extensions):
                continue
            yield _row(unit, row)
    except (OSError, EOFError, ValueError) as error:  # what is behind the damage is lost, what is before it is kept
        yield Candidate(
            path=file.path,
            num_bytes=0,
            repository="",
            licence="",
            is_late=False,
            read=bytes,
            problem="unreadable",
            detail=str(error) or type(error).__name__,
        )


def _row(unit: Unit, row: rows.Row) -> Candidate:
    content = (row.text or "").encode("utf-8", "replace")
    return Candidate(
        path=row.path,
        num_bytes=len(content),
        repository=row.repository or unit.source,
        licence=row.licence or unit.licence,
        is_late=False,
        read=lambda: content,
        problem="malformed_row" if row.text is None else "",
    )
