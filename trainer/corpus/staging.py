"""What judging leaves on disk: one finished unit is a few files, the last of which says that the others are whole.

    000012.jsonl       the documents that passed, a line each, as they will stand in a shard
    000012.rows        a `ROW` for each document: hashes, sizes, where its line ends
    000012.signatures  MinHash values, uint32 [documents, PERMUTATIONS]; zeros for a text that is too short
    000012.bands       hashes of the bands, uint64 [documents, BANDS]
    000012.json        what was left out and why; the names that rows refer to by number

A folder belongs to one set of inputs, whose digest it holds. A run with the same inputs takes up the finished units;
any other run begins with an empty folder. So two corpora never mix, whenever a run was killed.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.corpus.signatures import BANDS, PERMUTATIONS, Signature, bands_of
from trainer.corpus.store import Document, document_line

STAGING_VERSION = 1
_INPUTS = "inputs"

ROW = np.dtype(
    [
        ("digest", "u1", 32),
        ("fingerprint", "<u8", 2),
        ("end", "<i8"),
        ("num_bytes", "<i8"),
        ("repository", "<i4"),
        ("language", "<i4"),
        ("licence", "<i4"),
        ("is_late", "?"),
        ("is_signed", "?"),
    ]
)
"""One document: its sha256, what exact duplicates share, where its line ends in the unit's file, its size as UTF-8,
numbers of its names in the tally, whether it changed since `heldout_after`, whether it has a signature."""

Rows = npt.NDArray[np.void]
_NO_SIGNATURE, _NO_BANDS = bytes(4 * PERMUTATIONS), bytes(8 * BANDS)
_DATA = ("jsonl", "rows", "signatures", "bands")


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was left out of a unit, and the names that its rows refer to."""

    source: str
    source_number: int
    dropped: dict[str, int] = field(default_factory=dict)
    named: list[dict[str, str]] = field(default_factory=list)
    repositories: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    licences: list[str] = field(default_factory=list)


class UnitWriter:
    """Writes one unit in a `with` block; nothing counts unless the block ends well."""

    def __init__(self, folder: Path, number: int, source: str, source_number: int) -> None:
        self.tally = Tally(source=source, source_number=source_number)
        self._folder = folder
        self._number_of_unit = number
        self._files = {kind: self._partial(kind).open("wb") for kind in _DATA}
        self._numbers: dict[tuple[str, str], int] = {}
        self._end = 0

    def __enter__(self) -> UnitWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for stream in self._files.values():
            stream.close()
        if error is None:
            self._finish()
        else:
            for name in _DATA:
                self._partial(name).unlink(missing_ok=True)

    def add(self, document: Document, fingerprint: bytes, signature: Signature | None, *, is_late: bool) -> None:
        """Append a document that passed."""
        self._end += self._files["jsonl"].write(document_line(document))
        row = np.zeros(1, dtype=ROW)
        row["digest"] = np.frombuffer(bytes.fromhex(document.sha256), dtype=np.uint8)
        row["fingerprint"] = np.frombuffer(fingerprint, dtype="<u8")
        row["end"], row["num_bytes"] = self._end, len(document.text.encode())
        row["repository"] = self._number("repositories", document.repository)
        row["language"] = self._number("languages", document.language)
        row["licence"] = self._number("licences", document.licence)
        row["is_late"], row["is_signed"] = is_late, signature is not None
        self._files["rows"].write(row.tobytes())
        self._files["signatures"].write(_NO_SIGNATURE if signature is None else signature.tobytes())
        self._files["bands"].write(_NO_BANDS if signature is None else bands_of(signature).tobytes())

    def leave_out(self, reason: str) -> None:
        """Count a file that did not pass."""
        self.tally.dropped[reason] = self.tally.dropped.get(reason, 0) + 1

    def name(self, reason: str, path: str, detail: str) -> None:
        """Name a file that did not pass, for a person to look at."""
        self.tally.named.append({"reason": reason, "source": self.tally.source, "path": path, "detail": detail})

    def _partial(self, kind: str) -> Path:
        return self._folder / f"{self._number_of_unit:06d}.{kind}.{os.getpid()}.partial"

    def _number(self, kind: str, name: str) -> int:
        key = (kind, name)
        if key not in self._numbers:
            names: list[str] = getattr(self.tally, kind)
            self._numbers[key] = len(names)
            names.append(name)
        return self._numbers[key]

    def _finish(self) -> None:
        for kind in _DATA:
            self._partial(kind).replace(_file(self._folder, self._number_of_unit, kind))
        self._partial("json").write_text(json.dumps(asdict(self.tally)), encoding="utf-8")
        self._partial("json").replace(_file(self._folder, self._number_of_unit, "json"))


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedUnit:
    """One finished unit, read back."""

    lines: Path
    rows: Rows
    tally: Tally


def open_staging(folder: Path, inputs: str) -> None:
    """Make the folder for these inputs: kept with its finished units where it has the same inputs, else empty."""
    with suppress(OSError):
        if (folder / _INPUTS).read_text(encoding="utf-8") == inputs:
            return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / _INPUTS).write_text(inputs, encoding="utf-8")


def is_staged(folder: Path, number: int) -> bool:
    """Whether a unit is finished."""
    return _file(folder, number, "json").is_file()


def staged_numbers(folder: Path) -> list[int]:
    """The numbers of all finished units, in order."""
    return sorted(int(file.stem) for file in folder.glob("*.json"))


def read_tally(folder: Path, number: int) -> Tally:
    """What was left out of a finished unit."""
    return Tally(**json.loads(_file(folder, number, "json").read_text(encoding="utf-8")))


def read_unit(folder: Path, number: int) -> StagedUnit:
    """A finished unit's rows and tally; its texts stay on disk."""
    rows: Rows = np.fromfile(_file(folder, number, "rows"), dtype=ROW)
    return StagedUnit(lines=_file(folder, number, "jsonl"), rows=rows, tally=read_tally(folder, number))


def map_signatures(folder: Path, number: int) -> npt.NDArray[np.uint32]:
    """A unit's signatures, [documents, PERMUTATIONS], mapped and not read."""
    return _map(_file(folder, number, "signatures"), "<u4", PERMUTATIONS)


def map_bands(folder: Path, number: int) -> npt.NDArray[np.uint64]:
    """A unit's band hashes, [documents, BANDS], mapped and not read."""
    return _map(_file(folder, number, "bands"), "<u8", BANDS)


def _map(file: Path, dtype: str, width: int) -> npt.NDArray[Any]:
    if not file.stat().st_size:  # an empty file cannot be mapped
        return np.zeros((0, width), dtype=dtype)
    values: npt.NDArray[Any] = np.memmap(file, dtype=dtype, mode="r").reshape(-1, width)
    return values


def _file(folder: Path, number: int, kind: str) -> Path:
    return folder / f"{number:06d}.{kind}"
