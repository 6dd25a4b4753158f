"""Datasets of the Hub, streamed: nothing is downloaded whole. Needs the `datasets` library, an optional extra.

`datasets` earns its place by what a list of files does not tell: configurations, splits and which files belong to them.

    hf:NAME?split=train&config=python     a data set of the Hub, or a folder on disk that looks like one
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from lsp_server.errors import CorpusError
from trainer.corpus import licences
from trainer.corpus.config import CorpusConfig
from trainer.corpus.rows import Row, to_documents
from trainer.corpus.source import Source, SourceFile

_OPTIONS = ("split", "config", "revision")


def from_spec(spec: str) -> Source:
    """One split of a data set. Raises: CorpusError for an option that is unknown, or without the library."""
    name, options = _parse(spec)

    def list_files() -> list[SourceFile]:
        num_shards = int(_open(spec).num_shards)
        version = f"{options.get('revision', '')}:{num_shards}"
        return [
            SourceFile(path=f"{name}-{number:05d}", num_bytes=0, location=f"{number}/{num_shards}", version=version)
            for number in range(num_shards)
        ]

    return Source(
        name=name.strip("/").rpartition("/")[2],
        kind="hub",
        root=spec,
        licence=licences.UNKNOWN,
        version=options.get("revision", ""),
        list_files=list_files,
    )


def read_shard(spec: str, file: SourceFile, config: CorpusConfig) -> Iterator[Row]:
    """Stream one shard's documents. Raises: CorpusError for a data set without a field for the text."""
    number, _, num_shards = str(file.location).partition("/")
    rows = _open(spec).shard(num_shards=int(num_shards), index=int(number))
    return to_documents(rows, file.path, config)


def _parse(spec: str) -> tuple[str, dict[str, str]]:
    name, _, query = spec.removeprefix("hf:").partition("?")
    options = dict(parse_qsl(query))
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown or not name:
        wrong = f"does not know {unknown[0]!r}" if unknown else "has no name"
        raise CorpusError(f"source {spec!r} {wrong}: write hf:NAME?split=train, with {', '.join(_OPTIONS)}")
    return name, options


def _open(spec: str) -> Any:  # Any: datasets.IterableDataset, of an optional library
    name, options = _parse(spec)
    try:
        import datasets
    except ImportError as error:
        raise CorpusError(f"source {spec!r} needs the datasets library: pip install 'parrotlet[datasets]'") from error
    try:
        return datasets.load_dataset(
            name,
            options.get("config"),
            split=options.get("split", "train"),
            revision=options.get("revision"),
            streaming=True,
        )
    except Exception as error:  # the library raises what its file systems and builders raise
        first_line = str(error).strip().partition("\n")[0]
        raise CorpusError(f"source {spec!r} cannot be opened: {first_line}; check name, config and split") from error
