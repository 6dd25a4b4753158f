"""Building a corpus: sources in, a folder of documents with a manifest and a report out. Owns the order of the steps.

    sources -> units -> judged in several processes -> selection over all of them -> shards, manifest, report

Judging leaves finished units in a folder beside the corpus, so a run that was killed goes on where it was. Memory
holds one file a process, and about 100 bytes a document while duplicates are sought.
"""

from __future__ import annotations

import fnmatch
import hashlib
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lsp_server.errors import CorpusError
from trainer.config import digest
from trainer.corpus import pool, staging, store
from trainer.corpus.accounts import account, check_size, corpus_hash, manifest_of
from trainer.corpus.config import CorpusConfig
from trainer.corpus.contamination import Benchmarks, load_problems
from trainer.corpus.judge import Judge
from trainer.corpus.report import write_report
from trainer.corpus.reserved import is_reserved_source, normalise
from trainer.corpus.selection import select
from trainer.corpus.shards import plan_shards
from trainer.corpus.source import Lookup, Source
from trainer.corpus.sources import find_all
from trainer.corpus.units import UNIT_BYTES, Unit, cut
from trainer.corpus.work import JudgeUnit, ShardPlan, write_shard
from trainer.folders import claimed

_SMALL = UNIT_BYTES // 4
"""Candidates of fewer bytes in all are judged in this process: starting others takes longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a build works on: known to every process that takes part in it."""

    config: CorpusConfig
    sources: tuple[Source, ...]
    """Those that were admitted, in the recipe's order."""
    refused: dict[str, str]
    inputs_hash: str
    staging: Path
    out: Path


def build_corpus(config: CorpusConfig, out: Path, workers: int | None = None) -> store.CorpusManifest:
    """Build the corpus that `config` describes into the folder `out`, and return its manifest.

    The result does not depend on the number of processes.
    Raises: CorpusError for a source that cannot be read, or when fewer than `min_documents` are left to train on;
    BusyError while another process builds there.
    """
    workers = workers or pool.default_workers()
    try:
        with claim(out):
            job = prepare(config, out)
            num_units = _judge_all(job, workers)
            return gather(job, num_units, workers)
    except OSError as error:
        raise CorpusError(f"corpus {out} cannot be written: {error}; free space or choose --out") from error


def claim(out: Path) -> AbstractContextManager[None]:
    """One process at a time builds `out`. Raises: BusyError."""
    return claimed(out, out.with_name(f".{out.name}.lock"))


def prepare(config: CorpusConfig, out: Path) -> Job:
    """Find the sources, and open the staging folder for them. Raises: CorpusError."""
    sources = resolve_sources(config, out)
    Judge(config)  # what it cannot read is told now, not by a worker
    inputs_hash = _inputs_digest(config, sources)
    admitted, refused = _admit(config, sources)
    _check_heldout(config, admitted)
    folder = out.with_name(f".{out.name}.staging")
    staging.open_staging(folder, f"{staging.STAGING_VERSION} {inputs_hash}")
    return Job(
        config=config, sources=tuple(admitted), refused=refused, inputs_hash=inputs_hash, staging=folder, out=out
    )


def gather(job: Job, num_units: int, workers: int) -> store.CorpusManifest:
    """Make the corpus of all finished units, and clear the staging folder away. Raises: CorpusError."""
    config = job.config
    units = [staging.read_unit(job.staging, number) for number in range(num_units)]
    problems = load_problems(config)
    selection = select(config, units, job.staging, [problem.text for problem in problems])
    accounts = account(config, job.sources, units, selection, job.refused)
    try:
        check_size(config, accounts, job.sources)
    except CorpusError:
        shutil.rmtree(job.staging, ignore_errors=True)
        raise
    with store.new_corpus_folder(job.out) as folder:
        plans = plan_shards(folder, units, selection)
        manifest = manifest_of(
            config,
            accounts,
            selection,
            corpus_hash=corpus_hash(units, selection),
            inputs_hash=job.inputs_hash,
            shards={split: [plan.file.name for plan in plans[split]] for split in store.SPLITS},
            num_short_problems=Benchmarks.of(problems, config.decontaminate_words).num_short,
        )
        _write_shards([plan for split in store.SPLITS for plan in plans[split]], workers)
        write_report(folder, manifest)
        store.write_manifest(folder, manifest)
    shutil.rmtree(job.staging, ignore_errors=True)
    return manifest


def resolve_sources(config: CorpusConfig, out: Path | None = None) -> list[Source]:
    """All sources that a recipe names, each once; what is fetched for them stays beside `out`."""
    if not config.sources:
        raise CorpusError("the corpus has no sources: name folders, git repositories, stdlib or package:NAME")
    cache = (out or Path("corpus")).with_name(f".{(out or Path('corpus')).name}.cache")
    lookup = Lookup(
        cache=cache,
        since=config.heldout_after,
        latest_share=config.heldout_share if config.heldout_latest else 0.0,
        extensions=config.extensions,
        tracked_only=config.tracked_only,
    )
    return find_all(config.sources, lookup)


def inputs_digest(config: CorpusConfig, out: Path | None = None) -> str:
    """A digest that changes when the configuration or a candidate file does, without opening the files."""
    return _inputs_digest(config, resolve_sources(config, out))


def _inputs_digest(config: CorpusConfig, sources: list[Source]) -> str:
    state = hashlib.sha256(digest(config).encode())
    for source in sources:
        state.update(f"{source.name}\0{source.licence}\0{source.version}\n".encode())
        for file in source.list_files():
            if source.kind in ("rows", "hub") or file.path.endswith(config.extensions):
                state.update(f"{file.path}\0{file.num_bytes}\0{file.version}\n".encode("utf-8", "surrogateescape"))
    for name in (*config.decontaminate, *config.exclude_repositories, config.fertility_tokenizer):
        with suppress(OSError):
            state.update(hashlib.sha256(Path(name).expanduser().read_bytes()).digest() if name else b"")
    return state.hexdigest()


def _admit(config: CorpusConfig, sources: list[Source]) -> tuple[list[Source], dict[str, str]]:
    """Choose among the sources; the refused ones with the reason."""
    admitted: list[Source] = []
    refused: dict[str, str] = {}
    for source in sources:
        if is_reserved_source(source.name, source.repository):
            refused[source.name] = "reserved for evaluation"
        elif any(fnmatch.fnmatchcase(source.name.lower(), pattern.lower()) for pattern in config.exclude):
            refused[source.name] = "excluded"
        else:
            admitted.append(source)
    return admitted, refused


def _judge_all(job: Job, workers: int) -> int:
    """Judge every unit that is not finished yet; returns how many units there are."""
    tasks = cut(job.config, job.sources)
    first = _at_least(tasks, _SMALL)
    is_small = sum(unit.num_bytes for unit in first) < _SMALL
    num_units = 0
    with _progress() as bar:
        do = JudgeUnit(config=job.config, staging=job.staging)
        for unit in pool.run_all(do, chain(first, tasks), 1 if is_small else workers):
            num_units += 1
            bar.update(unit.num_bytes)
    return num_units


def _at_least(units: Iterator[Unit], num_bytes: int) -> list[Unit]:
    """The first units, up to so many bytes together; all of them if they have fewer."""
    first: list[Unit] = []
    while sum(unit.num_bytes for unit in first) < num_bytes and (unit := next(units, None)) is not None:
        first.append(unit)
    return first


def _write_shards(plans: list[ShardPlan], workers: int) -> None:
    for _ in pool.run_all(write_shard, plans, min(workers, len(plans) // 2)):
        pass


def _check_heldout(config: CorpusConfig, admitted: Iterable[Source]) -> None:
    """A misspelt name would silently be trained on; a repository within a file of rows has owner/name."""
    present = {normalise(source.name) for source in admitted}
    for name in config.heldout_sources:
        if normalise(name) not in present and "/" not in name:
            raise CorpusError(
                f"corpus.heldout_sources names {name!r}, which is no admitted source: correct the name, add it to "
                "corpus.sources, or take it off the list"
            )


def _progress() -> Any:  # Any: tqdm has no types
    """A progress bar on a terminal, shown after two seconds."""
    return tqdm(desc="corpus", unit="B", unit_scale=True, delay=2, disable=not sys.stderr.isatty(), file=sys.stderr)
