"""Files of rows, one document a row: JSON lines, plain or gzipped, as CodeParrot's dumps are, and Parquet.

Owns the names of the fields. A row without a text is counted, a file without a field for it is an error.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsp_server.errors import CorpusError
from trainer.corpus import licences
from trainer.corpus.config import CorpusConfig
from trainer.corpus.folders import look_at
from trainer.corpus.source import Source, SourceFile

_SUFFIXES = (".jsonl", ".jsonl.gz", ".json.gz", ".json", ".parquet")
_PARQUET_BATCH = 256

USUAL_FIELDS = {
    "text": ("content", "text", "code", "whole_func_string"),
    "path": ("path", "file_path", "max_stars_repo_path", "filename", "func_path_in_repository"),
    "repository": ("repo_name", "repository_name", "max_stars_repo_name", "repo", "repository"),
    "licence": ("license", "licence", "max_stars_repo_licenses", "licenses", "detected_licenses"),
}
"""Of CodeParrot's dumps and its cleaned set, The Stack 1 and 2, CodeSearchNet, and plain text sets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One document as a row tells it; `text` is None where the row has none."""

    path: str
    text: str | None
    repository: str
    licence: str
    """`""` where the row does not say."""


def is_rows(file: Path) -> bool:
    """Whether a file's name says that it holds rows."""
    return file.name.lower().endswith(_SUFFIXES)


def from_files(files: list[Path]) -> Source:
    """Some files of rows as one source, named after the file, or the folder of several."""
    name = files[0].name.partition(".")[0] if len(files) == 1 else files[0].parent.name
    return Source(
        name=name,
        kind="rows",
        root=str(files[0].parent),
        licence=licences.UNKNOWN,
        version="",
        list_files=lambda: [found for file in files for found in look_at(file, file.name)],
    )


def read_rows(file: SourceFile, config: CorpusConfig) -> Iterator[Row]:
    """Stream a file's documents.

    Raises: CorpusError for a file whose first row has no field for the text; OSError, EOFError or ValueError for
    damage.
    """
    location = Path(file.location)
    raw = _read_parquet(location) if location.suffix.lower() == ".parquet" else _read_json_lines(location)
    return to_documents(raw, file.path, config)


def to_documents(raw: Iterable[object], origin: str, config: CorpusConfig) -> Iterator[Row]:
    """Find the fields in the first row, and read every row by them; `origin` names what has no path of its own."""
    names: dict[str, str] | None = None
    stem = origin.partition(".")[0]
    for number, row in enumerate(raw):
        if not isinstance(row, Mapping):
            yield Row(path=f"{origin}:{number}", text=None, repository="", licence="")
            continue
        names = names or _fields(row, origin, config)
        text = row.get(names["text"])
        path = row.get(names["path"])
        licence = row.get(names["licence"])
        yield Row(
            path=path if isinstance(path, str) and path else f"{stem}/{number}{config.extensions[0]}",
            text=text if isinstance(text, str) else None,
            repository=str(row.get(names["repository"]) or ""),
            licence=licences.from_keys(licence) if licence else "",
        )


def _fields(row: Mapping[str, Any], origin: str, config: CorpusConfig) -> dict[str, str]:
    """The field of each meaning: the configured one, else the first usual one that the row has, else none."""
    found: dict[str, str] = {}
    for meaning, usual in USUAL_FIELDS.items():
        configured = getattr(config, f"{meaning}_column")
        if configured and configured not in row:
            raise CorpusError(_no_field(origin, row, configured, meaning))
        found[meaning] = configured or next((name for name in usual if name in row), "")
    if not found["text"]:
        raise CorpusError(_no_field(origin, row, USUAL_FIELDS["text"][0], "text"))
    return found


def _no_field(origin: str, row: Mapping[str, Any], name: str, meaning: str) -> str:
    known = ", ".join(sorted(map(str, row))[:20])
    return f"{origin} has no field {name!r}; its fields are {known}: set corpus.{meaning}_column to one of them"


def _read_json_lines(file: Path) -> Iterator[object]:
    with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as stream:
        for line in stream:
            if line.strip():
                yield _parse(line)


def _parse(line: bytes) -> object:
    try:
        return json.loads(line)
    except ValueError:  # counted as a row without a text
        return None


def _read_parquet(file: Path) -> Iterator[object]:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise CorpusError(f"{file} needs pyarrow: pip install 'parrotlet[datasets]'") from error
    with pyarrow.parquet.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(batch_size=_PARQUET_BATCH):
            yield from batch.to_pylist()
