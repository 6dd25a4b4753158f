"""The corpus stage as a datatrove pipeline of two worker processes on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.corpus.build import build_corpus
from trainer.corpus.config import CorpusConfig
from trainer.corpus.scale import run_pipeline

pytest.importorskip("datatrove", reason="NOT TESTED: the pipeline on several machines needs parrotlet[scale]")

pytestmark = pytest.mark.filterwarnings("ignore")  # of the library's own imports and logging


def test_two_workers_make_the_corpus_of_one_process(
    tmp_path: Path, write_files: Callable[..., Path], module: Callable[[int], str]
) -> None:
    folders = [
        write_files(tmp_path / name, {f"{number}.py": module(number + start) for number in range(20)})
        for name, start in (("one", 0), ("two", 10))
    ]
    config = CorpusConfig(sources=tuple(map(str, folders)), heldout_share=0.2)
    alone = build_corpus(config, tmp_path / "alone" / "corpus", workers=1)
    shared = run_pipeline(config, tmp_path / "shared" / "corpus", tasks=2)
    assert shared == alone
    files = [
        {file.name: file.read_bytes() for file in (tmp_path / name / "corpus").iterdir()}
        for name in ("alone", "shared")
    ]
    assert files[0] == files[1]
    assert sorted(entry.name for entry in (tmp_path / "shared").iterdir()) == [".corpus.lock", "corpus"]
