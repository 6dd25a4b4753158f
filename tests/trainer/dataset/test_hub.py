"""A data set that the `datasets` library streams, from a folder on disk that looks like one of the Hub."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest

from lsp_server.errors import CorpusError
from trainer.dataset import RowMaker, StreamedRows
from trainer.dataset.hub import hub_texts
from trainer.dataset.reader import BatchReader

REPOSITORIES = ["someone/tool", "openai/human-eval", "someone/other"]


@pytest.fixture
def spec(tmp_path: Path) -> str:
    pytest.importorskip("datasets")
    folder = tmp_path / "hub"
    folder.mkdir()
    for shard in range(2):
        rows = [
            {"repo_name": REPOSITORIES[n % 3], "content": f"def shard_{shard}_{n}():\r\n    return {n}\n"}
            for n in range(9)
        ]
        (folder / f"train-{shard}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"hf:{folder}"


def test_texts_come_shard_by_shard_without_what_is_reserved(spec: str) -> None:
    texts = list(islice(hub_texts(spec), 12 + 1))

    assert texts[0] == texts[12] == "def shard_0_0():\n    return 0\n"
    assert "def shard_0_1():\n    return 1\n" not in texts
    assert texts[6] == "def shard_1_0():\n    return 0\n"


def test_a_resumed_run_goes_on_with_the_next_row(spec: str, maker: RowMaker) -> None:
    uninterrupted = BatchReader(StreamedRows(hub_texts(spec), maker, 4))
    uninterrupted.take(5)
    resumed = BatchReader(StreamedRows(hub_texts(spec), maker, 4))
    resumed.load_state_dict(uninterrupted.state_dict())

    assert resumed.take(6)["ids"].tolist() == uninterrupted.take(6)["ids"].tolist()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("hf:", "names no data set: write hf:NAME"),
        ("somewhere", "names no data set: write hf:NAME"),
        ("hf:name?spilt=train", "has 'spilt', which is no option: write hf:NAME"),
    ],
)
def test_a_spec_that_is_not_understood_is_told(wrong: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        hub_texts(wrong)


def test_a_folder_without_data_is_told(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    (tmp_path / "empty").mkdir()

    with pytest.raises(CorpusError, match=r"cannot be opened .*: check its name, config and split"):
        hub_texts(f"hf:{tmp_path / 'empty'}")
