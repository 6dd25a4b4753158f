"""The two pieces of work that run in any process, on any machine that sees the folders: judge a unit, write a shard.

`build` runs them in local processes, `scale` as a datatrove pipeline.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from trainer.corpus import filters, staging
from trainer.corpus.config import CorpusConfig
from trainer.corpus.judge import Judge
from trainer.corpus.signatures import signature_of
from trainer.corpus.store import Shard
from trainer.corpus.units import Unit, candidates

NAMED_REASONS = ("unreadable", "secret", "contaminated")
"""What a person should look at, file by file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeUnit:
    """Judge one unit into the staging folder."""

    config: CorpusConfig
    staging: Path

    def __call__(self, unit: Unit) -> Unit:
        """Returns the unit, when it is finished; one that was finished before is left as it is."""
        if not staging.is_staged(self.staging, unit.number):
            _judge_unit(_judge_for(self.config), self.config, self.staging, unit)
        return unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Lines of a unit's file, by their bytes."""

    lines: Path
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardPlan:
    """A shard to be written: its file, and the lines that go into it."""

    file: Path
    pieces: tuple[Piece, ...]


def write_shard(plan: ShardPlan) -> Path:
    """Write one shard from the staged lines."""
    shard = Shard(plan.file)
    try:
        for piece in plan.pieces:
            with piece.lines.open("rb") as stream:
                stream.seek(piece.start)
                shard.write(stream.read(piece.end - piece.start))
    finally:
        shard.close()
    return plan.file


def _judge_unit(judge: Judge, config: CorpusConfig, folder: Path, unit: Unit) -> None:
    with staging.UnitWriter(folder, unit.number, unit.source, unit.source_number) as writer:
        for candidate in candidates(unit, config):
            verdict = judge.judge(unit, candidate)
            document = verdict.document
            if document is None:
                writer.leave_out(verdict.reason)
                if verdict.reason in NAMED_REASONS:
                    writer.name(verdict.reason, candidate.path, verdict.detail)
                continue
            signature = signature_of(document.text) if config.near_duplicates else None
            writer.add(document, filters.fingerprint(document.text), signature, is_late=candidate.is_late)


@lru_cache(maxsize=1)
def _judge_for(config: CorpusConfig) -> Judge:
    """A process judges all its units with one judge: benchmarks and detectors are loaded once."""
    return Judge(config)
