"""Files of rows: every format, the usual names of their fields, and what is wrong with the others."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lsp_server.errors import CorpusError
from trainer.corpus.build import build_corpus
from trainer.corpus.config import CorpusConfig
from trainer.corpus.store import CorpusManifest, Document, read_documents

Module = Callable[[int], str]
Rows = list[Mapping[str, Any]]


def write_rows(file: Path, rows: Rows) -> Path:
    """In the format that the name says."""
    if file.suffix == ".parquet":
        arrow = pytest.importorskip("pyarrow", reason="Parquet needs parrotlet[datasets]")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(arrow.Table.from_pylist(rows), file)
        return file
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    return file


def build(tmp_path: Path, *specs: object, **values: object) -> tuple[CorpusManifest, list[Document]]:
    config = replace(CorpusConfig(sources=tuple(map(str, specs)), heldout_share=0.0), **values)  # type: ignore[arg-type]
    manifest = build_corpus(config, tmp_path / "corpus")
    return manifest, list(read_documents(tmp_path / "corpus"))


@pytest.mark.parametrize(
    "name", ["dump.jsonl", "dump.json", "dump.jsonl.gz", "file-000000000001.json.gz", "dump.parquet"]
)
def test_codeparrots_fields_are_read_in_every_format(tmp_path: Path, module: Module, name: str) -> None:
    row = {"repo_name": "a/b", "path": "src/x.py", "content": module(1), "license": "apache-2.0", "size": "60"}
    _, (document,) = build(tmp_path, write_rows(tmp_path / name, [row]))
    assert (document.repository, document.path, document.text) == ("a/b", "src/x.py", module(1))
    assert (document.licence, document.language, document.source) == ("Apache-2.0", "Python", name.partition(".")[0])


@pytest.mark.parametrize(
    ("fields", "columns", "licence"),
    [
        ({"text": "text"}, {}, "unknown"),
        ({"max_stars_repo_licenses": ["MIT", "GPL-3.0"], "content": "text"}, {}, "GPL-3.0-only AND MIT"),  # The Stack
        ({"body": "text", "content": 5}, {"text_column": "body"}, "unknown"),
    ],
)
def test_fields_by_usual_or_by_given_names(
    tmp_path: Path, module: Module, fields: dict[str, Any], columns: dict[str, str], licence: str
) -> None:
    row = {name: module(1) if value == "text" else value for name, value in fields.items()}
    _, (document,) = build(tmp_path, write_rows(tmp_path / "dump.jsonl", [row]), **columns)
    assert (document.text, document.path, document.licence) == (module(1), "dump/0.py", licence)


@pytest.mark.parametrize(
    ("row", "columns", "message"),
    [
        ({"body": "x"}, {}, "has no field 'content'; its fields are body: set corpus.text_column"),
        (
            {"content": "x"},
            {"path_column": "file"},
            "has no field 'file'; its fields are content: set corpus.path_column",
        ),
    ],
)
def test_an_unknown_field_is_told_with_the_known_ones(
    tmp_path: Path, row: dict[str, str], columns: dict[str, str], message: str
) -> None:
    with pytest.raises(CorpusError, match=message):
        build(tmp_path, write_rows(tmp_path / "dump.jsonl", [row]), **columns)


def test_rows_are_judged_one_by_one(tmp_path: Path, module: Module) -> None:
    rows: Rows = [
        {"content": module(1), "path": "a.py", "repo_name": "good/one", "license": "mit"},
        {"content": None, "path": "b.py", "repo_name": "good/one", "license": "mit"},
        {"content": module(2), "path": "c.rb", "repo_name": "good/one", "license": "mit"},
        {"content": module(3), "path": "d.py", "repo_name": "good/one", "license": "gpl-3.0"},
        {"content": "# SPDX-License-Identifier: MIT\n" + module(4), "path": "e.py", "license": "gpl-3.0"},
        {"content": module(5), "path": "f.py", "repo_name": "keon/algorithms", "license": "mit"},
        {"content": module(6), "path": "g.py", "repo_name": "Left/Out", "license": "mit"},
    ]
    file = write_rows(tmp_path / "dump.jsonl", rows)
    file.write_bytes(file.read_bytes() + b"no json\n")
    manifest, documents = build(tmp_path, file, licences="permissive", exclude_repositories=("left/out",))
    assert [document.path for document in documents] == ["a.py", "e.py"]
    assert manifest.dropped == {"excluded": 1, "reserved": 1, "malformed_row": 2, "licence": 1}


def test_damage_is_named_and_what_stands_before_it_is_kept(tmp_path: Path, module: Module) -> None:
    good = write_rows(tmp_path / "good.jsonl.gz", [{"content": module(0)}])
    rows = [{"content": module(number) + f"# {'x' * 50} {number}\n"} for number in range(1, 400)]
    file = write_rows(tmp_path / "bad.jsonl.gz", rows)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    manifest, documents = build(tmp_path, good, file)
    assert 1 < len(documents) < 400
    assert manifest.dropped["unreadable"] == 1
    assert [(entry["reason"], entry["path"]) for entry in manifest.named] == [("unreadable", "bad.jsonl.gz")]


def test_a_star_stands_for_many_files(tmp_path: Path, module: Module) -> None:
    folder = tmp_path / "dump"
    folder.mkdir()
    for number in range(3):
        write_rows(folder / f"part-{number}.json.gz", [{"content": module(number)}])
    manifest, documents = build(tmp_path, folder / "*.json.gz")
    assert len(documents) == 3
    assert [source["name"] for source in manifest.sources] == ["dump"]


def test_repositories_of_a_dump_are_held_out_by_name(tmp_path: Path, module: Module) -> None:
    rows: Rows = [{"content": module(number), "repo_name": f"owner/r{number % 4}"} for number in range(20)]
    file = write_rows(tmp_path / "dump.jsonl", rows)
    build(tmp_path, file, heldout_sources=("owner/r1",))
    heldout = list(read_documents(tmp_path / "corpus", "heldout"))
    assert {document.repository for document in heldout} == {"owner/r1"}
    assert len(heldout) == 5
    with pytest.raises(CorpusError, match="names 'owner/r9', of which nothing is in the sources"):
        build(tmp_path, file, heldout_sources=("owner/r9",))
