"""The corpus stage on several machines, as a datatrove pipeline: the same functions, the same corpus, bit for bit.

    from datatrove.executor import SlurmPipelineExecutor
    run_pipeline(config, out, tasks=200, executor=partial(SlurmPipelineExecutor, time="04:00:00", partition="cpu"))

datatrove and not Ray Data: a corpus is judged once, in a batch, and datatrove's executors run on what a batch queue
gives (Slurm, or this machine's processes), mark finished tasks, and need nothing that stays up; Ray would bring a
cluster of its own and a dependency three times as large, for a shuffle that the join of `near` does without. All
machines must see the folder of the corpus. What is judged is spread over the tasks; duplicates are joined by one, at
100 bytes a document.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsp_server.errors import CorpusError
from trainer.corpus import build, staging
from trainer.corpus.config import CorpusConfig
from trainer.corpus.store import CorpusManifest, read_manifest
from trainer.corpus.units import cut
from trainer.corpus.work import JudgeUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeShare:
    """One task's share of the units."""

    config: CorpusConfig
    out: Path

    def __call__(self, _data: object = None, rank: int = 0, world_size: int = 1) -> None:
        """Judge every unit whose number falls to this rank."""
        job = build.prepare(self.config, self.out)
        judge = JudgeUnit(config=self.config, staging=job.staging)
        for unit in cut(self.config, job.sources):
            if unit.number % world_size == rank:
                judge(unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather:
    """The one task that makes the corpus of what all the others judged."""

    config: CorpusConfig
    out: Path

    def __call__(self, _data: object = None, rank: int = 0, world_size: int = 1) -> None:  # noqa: ARG002 (its contract)
        """Select over all units, and write the shards, in one process."""
        job = build.prepare(self.config, self.out)
        build.gather(job, len(staging.staged_numbers(job.staging)), workers=1)


def run_pipeline(
    config: CorpusConfig, out: Path, *, tasks: int, executor: Callable[..., Any] | None = None
) -> CorpusManifest:
    """Build a corpus by `tasks` tasks of an executor, by default processes of this machine.

    Raises: CorpusError without datatrove, or when a task failed; running it again goes on from what is finished.
    BusyError while another process of this machine builds there.
    """
    with build.claim(out):
        return _run_pipeline(config, out, tasks, executor or _local_executor())


def _run_pipeline(config: CorpusConfig, out: Path, tasks: int, make: Callable[..., Any]) -> CorpusManifest:
    job = build.prepare(config, out)
    logs = out.with_name(f".{out.name}.logs") / job.inputs_hash[:16]
    judged = make(pipeline=[JudgeShare(config=config, out=out)], tasks=tasks, logging_dir=str(logs / "judge"))
    gathered = make(
        pipeline=[Gather(config=config, out=out)], tasks=1, logging_dir=str(logs / "gather"), depends=judged
    )
    gathered.run()
    manifest = read_manifest(out)
    if manifest.inputs_hash != job.inputs_hash:
        raise CorpusError(f"the pipeline left no new corpus in {out}: look into {logs}, then run it again")
    shutil.rmtree(logs.parent, ignore_errors=True)
    return manifest


def _local_executor() -> Callable[..., Any]:
    try:
        from datatrove.executor.local import LocalPipelineExecutor
    except ImportError as error:
        raise CorpusError("the corpus pipeline needs datatrove: pip install 'parrotlet[scale]'") from error
    executor: Callable[..., Any] = LocalPipelineExecutor
    return executor
