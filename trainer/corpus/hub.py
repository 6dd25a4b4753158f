"""Datasets of the Hub, streamed: nothing is downloaded whole. Needs the `datasets` library, an optional extra.

`datasets` earns its place by what a list of files does not tell: configurations, splits and which files belong to them.

    hf:NAME?split=train&config=python     a data set of the Hub, or a folder on disk that looks like one
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from lsp_server.errors import CorpusError
from trainer.corpus import licences
from trainer.corpus.config import CorpusConfig
from trainer.corpus.rows import Row, to_documents
from trainer.corpus.source import Source, SourceFile

PREFIX = "hf:"
OPTIONS = ("split", "config", "revision")


def from_spec(spec: str) -> Source:
    """One split of a data set. Raises: CorpusError for an option that is unknown, or without the library."""
    name, options = parse(spec)

    def list_files() -> list[SourceFile]:
        num_shards = int(open_stream(spec, name, options).num_shards)
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
    rows = open_stream(spec, *parse(spec)).shard(num_shards=int(num_shards), index=int(number))
    return to_documents(rows, file.path, config)


def parse(spec: str, known: Sequence[str] = OPTIONS) -> tuple[str, dict[str, str]]:
    """The data set's name, and the options behind it. Raises: CorpusError for one that is not known."""
    name, _, query = spec.removeprefix(PREFIX).partition("?")
    options = dict(parse_qsl(query))
    unknown = sorted(set(options) - set(known))
    if unknown or not name or not spec.startswith(PREFIX):
        wrong = f"has {unknown[0]!r}, which is no option" if unknown else "names no data set"
        raise CorpusError(f"{spec!r} {wrong}: write hf:NAME?split=train, with {', '.join(known)}")
    return name, options


def open_stream(spec: str, name: str, options: Mapping[str, str]) -> Any:  # Any: datasets.IterableDataset
    """One split, read as it is asked for. Raises: CorpusError without the library, or for what is not there."""
    try:
        import datasets
    except ImportError as error:
        raise CorpusError(f"{spec!r} needs the datasets library: pip install 'parrotlet[datasets]'") from error
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
        raise CorpusError(f"{spec!r} cannot be opened ({first_line}): check its name, config and split") from error
