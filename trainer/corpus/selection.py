"""Which of the documents that passed are kept, and on which side: duplicates, caps, and the held-out part.

Works on rows, about 100 bytes a document; texts stay on disk. Held-out documents outrank training ones, so that of two
copies the training one goes, and benchmarks outrank both.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lsp_server.errors import CorpusError
from trainer.corpus import filters, staging
from trainer.corpus.config import CorpusConfig
from trainer.corpus.near import near_duplicates
from trainer.corpus.reserved import normalise
from trainer.corpus.signatures import BANDS, PERMUTATIONS, bands_of, signature_of
from trainer.corpus.staging import StagedUnit

KEPT = 0
_DUPLICATE, _NEAR_DUPLICATE, _NEAR_BENCHMARK, _OVER_CAP = 1, 2, 3, 4
REASONS = {
    _DUPLICATE: "duplicate",
    _NEAR_DUPLICATE: "near_duplicate",
    _NEAR_BENCHMARK: "near_benchmark",
    _OVER_CAP: "over_cap",
}

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The fate of every document of every unit, in order."""

    fates: npt.NDArray[np.int8]
    """KEPT, or one of REASONS, [documents]"""
    is_heldout: Booleans
    heldout_by: str
    unit_starts: npt.NDArray[np.int64]
    """Where each unit's documents begin, and the end."""

    def of_unit(self, index: int) -> tuple[npt.NDArray[np.int8], Booleans]:
        """One unit's fates, and which of its documents are held out."""
        part = slice(self.unit_starts[index], self.unit_starts[index + 1])
        return self.fates[part], self.is_heldout[part]

    def dropped(self, index: int) -> Counter[str]:
        """How many documents of a unit go, by reason."""
        fates, _ = self.of_unit(index)
        return Counter({name: int((fates == fate).sum()) for fate, name in REASONS.items() if (fates == fate).any()})


def select(config: CorpusConfig, units: list[StagedUnit], folder: Path, benchmarks: list[str]) -> Selection:
    """Decide over all finished units of a staging folder; `benchmarks` are texts that nothing may be near to."""
    rows = np.concatenate([*(unit.rows for unit in units), np.zeros(0, dtype=staging.ROW)])
    starts = np.concatenate([[0], np.cumsum([len(unit.rows) for unit in units])]).astype(np.int64)
    repositories, names = _repositories(units)
    is_heldout, heldout_by = _hold_out(config, units, rows, repositories, names)
    rank = np.lexsort((np.arange(len(rows)), ~is_heldout))
    fates = np.zeros(len(rows), dtype=np.int8)
    fates[_exact_duplicates(rows, rank)] = _DUPLICATE
    if config.near_duplicates:
        _mark_near(config, rows, fates, rank, folder, benchmarks)
    if config.max_bytes_per_source:
        _mark_over_cap(config, units, rows, fates)
    return Selection(fates=fates, is_heldout=is_heldout, heldout_by=heldout_by, unit_starts=starts)


def _repositories(units: list[StagedUnit]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """For every document the number of its repository, and the repositories' names."""
    numbers: dict[str, int] = {}
    parts = [np.zeros(0, dtype=np.int64)]
    for unit in units:
        table = [numbers.setdefault(name, len(numbers)) for name in unit.tally.repositories]
        parts.append(np.array(table, dtype=np.int64)[unit.rows["repository"]])
    return np.concatenate(parts), list(numbers)


def _hold_out(
    config: CorpusConfig,
    units: list[StagedUnit],
    rows: staging.Rows,
    repositories: npt.NDArray[np.int64],
    names: list[str],
) -> tuple[Booleans, str]:
    """Whole sources, what changed late, or a share: whole repositories where they are small enough, else files."""
    if config.heldout_after:
        return rows["is_late"].copy(), "time"
    if config.heldout_sources:
        wanted = {normalise(name) for name in config.heldout_sources}
        by_source = np.repeat(
            [normalise(unit.tally.source) in wanted for unit in units], [len(unit.rows) for unit in units]
        )
        by_repository = np.array([normalise(name) in wanted for name in names], dtype=bool)[repositories]
        _check_all_found(config, {normalise(name) for name in (*names, *(unit.tally.source for unit in units))})
        return by_source.astype(bool) | by_repository, "sources"
    if config.heldout_latest:
        return _latest(config, units, rows)
    drawn = _draw_repositories(config, rows, repositories, names)
    if drawn is not None:
        return drawn, "repository"
    return _draw_files(config, rows), "file"


def _draw_files(config: CorpusConfig, rows: staging.Rows) -> Booleans:
    keys = (bytes(row.tobytes()).hex() for row in rows["fingerprint"])
    shares = np.array([filters.share_of(f"heldout {key}") for key in keys])
    return (shares < config.heldout_share).astype(np.bool_)


def _latest(config: CorpusConfig, units: list[StagedUnit], rows: staging.Rows) -> tuple[Booleans, str]:
    """What the newest commits touched, source by source; files where the history says too little."""
    is_late = rows["is_late"].copy()
    sources = _source_numbers(units)
    by = set()
    for number in np.unique(sources).tolist():
        mine = sources == number
        sizes = rows["num_bytes"] * mine
        has_history = float((sizes * is_late).sum()) >= config.heldout_share * float(sizes.sum()) / 2
        by.add("time" if has_history else "file")
        if not has_history:
            is_late[mine] = _draw_files(config, rows[mine])
    return is_late, "time" if "time" in by else "file"


def _check_all_found(config: CorpusConfig, found: set[str]) -> None:
    """A misspelt repository of a file of rows would silently be trained on."""
    for name in config.heldout_sources:
        if normalise(name) not in found:
            raise CorpusError(
                f"corpus.heldout_sources names {name!r}, of which nothing is in the sources: correct the name, or take "
                "it off the list"
            )


def _draw_repositories(
    config: CorpusConfig, rows: staging.Rows, repositories: npt.NDArray[np.int64], names: list[str]
) -> Booleans | None:
    """Repositories in the order of their hashes, each that still fits into the share; None if that is too little."""
    budget = config.heldout_share * float(rows["num_bytes"].sum())
    sizes = np.bincount(repositories, weights=rows["num_bytes"], minlength=len(names))
    left = budget
    drawn = np.zeros(len(names), dtype=bool)
    for number in sorted(range(len(names)), key=lambda number: filters.share_of(f"heldout {names[number]}")):
        if 0 < sizes[number] <= left:
            drawn[number] = True
            left -= float(sizes[number])
    return drawn[repositories] if budget and left <= budget / 2 else None


def _exact_duplicates(rows: staging.Rows, rank: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    prints = rows["fingerprint"][rank]
    order = np.lexsort((np.arange(len(rank)), prints[:, 1], prints[:, 0]))
    same = (prints[order[1:]] == prints[order[:-1]]).all(axis=1)
    doubled: npt.NDArray[np.int64] = rank[order[1:][same]]
    return doubled


def _mark_near(
    config: CorpusConfig,
    rows: staging.Rows,
    fates: npt.NDArray[np.int8],
    rank: npt.NDArray[np.int64],
    folder: Path,
    benchmarks: list[str],
) -> None:
    numbers = staging.staged_numbers(folder)
    guard = [signature for signature in map(signature_of, benchmarks) if signature is not None]
    signatures = [staging.map_signatures(folder, number) for number in numbers]
    signatures.append(np.array(guard, dtype=np.uint32).reshape(-1, PERMUTATIONS))
    bands = [staging.map_bands(folder, number) for number in numbers]
    bands.append(np.array([bands_of(signature) for signature in guard], dtype=np.uint64).reshape(-1, BANDS))
    asked = rank[(fates[rank] == KEPT) & rows["is_signed"][rank]]
    guards = np.arange(len(rows), len(rows) + len(guard))
    for low, high in near_duplicates(
        bands, signatures, np.concatenate([guards, asked]), config.near_duplicates
    ).items():
        if low < len(rows):
            fates[low] = _NEAR_BENCHMARK if high >= len(rows) else _NEAR_DUPLICATE


def _source_numbers(units: list[StagedUnit]) -> npt.NDArray[np.int64]:
    """Of each document."""
    counts = [len(unit.rows) for unit in units]
    return np.repeat(np.array([unit.tally.source_number for unit in units], dtype=np.int64), counts)


def _mark_over_cap(
    config: CorpusConfig, units: list[StagedUnit], rows: staging.Rows, fates: npt.NDArray[np.int8]
) -> None:
    """Of each source the first documents up to the cap stay."""
    sources = _source_numbers(units)
    for number in sorted({unit.tally.source_number for unit in units}):
        mine = np.flatnonzero((sources == number) & (fates == KEPT))
        before = np.cumsum(rows["num_bytes"][mine]) - rows["num_bytes"][mine]
        fates[mine[before >= config.max_bytes_per_source]] = _OVER_CAP
