"""Several processes and interrupted runs: always the corpus of one process that was never interrupted, or none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lsp_server.errors import CorpusError
from trainer.corpus import build, pool, staging, units, work
from trainer.corpus.build import build_corpus
from trainer.corpus.config import CorpusConfig
from trainer.corpus.store import read_documents, read_manifest

ROOT = Path(__file__).parents[3]

KILLED = """
import os, signal, sys
from pathlib import Path
from trainer.corpus import staging, units
from trainer.corpus.build import build_corpus
from trainer.corpus.config import CorpusConfig

units.UNIT_FILES = 10
write = staging.UnitWriter._finish

def die_in_the_third_unit(writer):
    if writer._number_of_unit == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    write(writer)

staging.UnitWriter._finish = die_in_the_third_unit
build_corpus(CorpusConfig(sources=(sys.argv[1],)), Path(sys.argv[2]), workers=1)
"""


@pytest.fixture
def project(tmp_path: Path, write_files: Callable[..., Path], module: Callable[[int], str]) -> Path:
    return write_files(tmp_path / "project", {f"{number:02d}.py": module(number) for number in range(60)})


@pytest.fixture
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "UNIT_FILES", 10)


@pytest.fixture
def killed(tmp_path: Path, project: Path) -> Path:
    """A corpus's place, with what a run left there that was killed when two of its six units were finished."""
    out = tmp_path / "corpus"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, str(project), str(out)]
    done = subprocess.run(command, env=environment, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert staging.staged_numbers(tmp_path / ".corpus.staging") == [0, 1]
    assert not out.exists()
    return out


def judged_units(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the units that are judged from now on."""
    numbers: list[int] = []
    judge = work._judge_unit

    def record(*arguments: object) -> None:
        numbers.append(arguments[3].number)  # type: ignore[attr-defined]
        judge(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(work, "_judge_unit", record)
    return numbers


@pytest.mark.usefixtures("small_units")
def test_a_killed_run_goes_on_from_its_finished_units(
    tmp_path: Path, project: Path, killed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = CorpusConfig(sources=(str(project),))
    numbers = judged_units(monkeypatch)
    resumed = build_corpus(config, killed, workers=1)
    assert numbers == [2, 3, 4, 5]
    assert resumed == build_corpus(config, tmp_path / "whole" / "corpus", workers=1)
    for split in ("train", "heldout"):
        assert list(read_documents(killed, split)) == list(read_documents(tmp_path / "whole" / "corpus", split))
    assert not (tmp_path / ".corpus.staging").exists()


@pytest.mark.usefixtures("small_units")
@pytest.mark.parametrize("change", ["file", "recipe"])
def test_a_killed_run_is_begun_anew_when_anything_changed(
    project: Path,
    killed: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_files: Callable[..., Path],
    module: Callable[[int], str],
    change: str,
) -> None:
    config = CorpusConfig(sources=(str(project),))
    if change == "file":
        write_files(project, {"00.py": module(1000)})
    else:
        config = replace(config, tests_share=0.5)
    numbers = judged_units(monkeypatch)
    build_corpus(config, killed, workers=1)
    assert numbers == [0, 1, 2, 3, 4, 5]


@pytest.mark.usefixtures("small_units")
def test_the_number_of_processes_changes_nothing(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_SMALL", 0)
    config = CorpusConfig(sources=(str(project),))
    manifests = [build_corpus(config, tmp_path / str(workers) / "corpus", workers) for workers in (1, 2)]
    assert manifests[0] == manifests[1]
    shards = [
        {file.name: file.read_bytes() for file in (tmp_path / str(workers) / "corpus").iterdir()} for workers in (1, 2)
    ]
    assert shards[0] == shards[1]


def die(task: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return task


def test_a_worker_that_is_killed_is_told() -> None:
    with pytest.raises(CorpusError, match="fewer --workers"):
        list(pool.run_all(die, [1, 2], workers=2))


def test_a_manifest_of_before_is_told_apart(tmp_path: Path, project: Path) -> None:
    build_corpus(CorpusConfig(sources=(str(project),)), tmp_path / "corpus")
    manifest = tmp_path / "corpus" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format_version": 2', '"format_version": 1'))
    with pytest.raises(CorpusError, match="is a corpus of format 1, not 2: build it again"):
        read_manifest(tmp_path / "corpus")
