"""The corpus on disk: gzipped JSON lines in shards, and the manifest. Knows nothing of where documents come from.

A corpus folder appears whole or not at all: it is written beside its place and renamed when it is finished.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from lsp_server.errors import CorpusError
from trainer.folders import whole_folder

FORMAT_VERSION = 2
"""2: documents tell language, repository and commit; the manifest tells what the report shows."""
MANIFEST = "manifest.json"
SHARD_BYTES = 64_000_000
_COMPRESSION = 1
"""Of gzip: level 5 makes shards 20 % smaller, and takes 19 ms a megabyte in place of 8, of 50 in all."""

Split = Literal["train", "heldout"]
SPLITS: tuple[Split, ...] = ("train", "heldout")
_SHARD_NAMES: dict[str, str] = {"train": "documents", "heldout": "heldout"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file's text, and where it came from."""

    path: str
    source: str
    licence: str
    sha256: str
    text: str
    language: str = ""
    repository: str = ""
    """owner/name, or the source's name."""
    commit: str = ""
    """The git commit that the text was read at."""


def document_line(document: Document) -> bytes:
    """A document as its line of a shard."""
    fields = {
        name: getattr(document, name) for name in Document.__slots__
    }  # `asdict` copies: 4.6 against 3.6 ms a megabyte
    return json.dumps(fields, ensure_ascii=True).encode() + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusManifest:
    """What a corpus holds and what was left out, as it stands in `manifest.json`."""

    corpus_hash: str
    """Of the sorted hashes of all documents: the same text is the same corpus."""
    inputs_hash: str
    """Of the configuration and of the candidate files: tells whether the corpus would be built anew."""
    config: dict[str, Any]
    splits: dict[str, dict[str, Any]]  # Any: JSON
    """`train` and `heldout`, each with `num_documents`, `num_bytes` and the names of its `shards`."""
    heldout_sources: list[str]
    dropped: dict[str, int]
    """Files left out, by filter."""
    refused_sources: dict[str, str]
    """Sources left out whole, with the reason."""
    reserved: dict[str, str]
    """Names that never enter a corpus, with the reason."""
    sources: list[dict[str, Any]]  # Any: JSON
    heldout_by: str = ""
    """`sources`, `time`, `repository` or `file`: what was held out together."""
    languages: dict[str, dict[str, int]] = field(default_factory=dict)
    """Documents and bytes that were kept, by language."""
    licences: dict[str, dict[str, int]] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    """Documents kept, by the power of two of bytes that they reach."""
    named: list[dict[str, str]] = field(default_factory=list)
    """Files left out that a person should look at: unreadable, secret, contaminated; at most 1,000."""
    num_short_problems: int = 0
    """Benchmark problems with too few words to be searched for."""

    def num_documents(self, split: str) -> int:
        return int(self.splits[split]["num_documents"])

    def num_bytes(self, split: str) -> int:
        """Of the text as UTF-8."""
        return int(self.splits[split]["num_bytes"])


class Shard:
    """One file of a split: lines in, gzip out. The same lines make the same bytes."""

    def __init__(self, file: Path) -> None:
        self._raw: BinaryIO = file.open("wb")
        self._stream = gzip.GzipFile(filename="", mode="wb", compresslevel=_COMPRESSION, fileobj=self._raw, mtime=0)

    def write(self, lines: bytes) -> None:
        """Append whole lines."""
        self._stream.write(lines)

    def close(self) -> None:
        """Finish the file and make it durable."""
        with self._raw as raw:
            self._stream.close()
            raw.flush()
            os.fsync(raw.fileno())


def shard_name(split: Split, number: int) -> str:
    """The file of a split's shard."""
    return f"{_SHARD_NAMES[split]}-{number:05d}.jsonl.gz"


class ShardWriter:
    """Writes one split, document by document; closes each shard at `SHARD_BYTES` of text."""

    def __init__(self, folder: Path, split: Split) -> None:
        self._folder = folder
        self._split = split
        self._shard: Shard | None = None
        self._shard_bytes = 0
        self.digests: list[str] = []
        """The documents' sha256, in the order of writing."""
        self.shards: list[str] = []
        self.num_bytes = 0

    @property
    def num_documents(self) -> int:
        return len(self.digests)

    def add(self, document: Document) -> None:
        """Append a document."""
        num_bytes = len(document.text.encode())
        if self._shard is None or self._shard_bytes + num_bytes > SHARD_BYTES:
            self.close()
            self.shards.append(shard_name(self._split, len(self.shards)))
            self._shard, self._shard_bytes = Shard(self._folder / self.shards[-1]), 0
        self._shard.write(document_line(document))
        self._shard_bytes += num_bytes
        self.num_bytes += num_bytes
        self.digests.append(document.sha256)

    def close(self) -> None:
        """Finish the last shard and make it durable."""
        if self._shard is not None:
            self._shard.close()
            self._shard = None


@contextmanager
def new_corpus_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `folder` if the block ends well and vanishes if it does not.

    Raises: CorpusError where something else is in the way, or the disk is full.
    """
    if folder.exists() and not (folder / MANIFEST).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise CorpusError(f"{folder} exists and is no corpus: choose another folder with --out")
    try:
        with whole_folder(folder) as partial:
            yield partial
    except OSError as error:
        raise CorpusError(f"corpus {folder} cannot be written: {error}; free space or choose --out") from error


def write_manifest(folder: Path, manifest: CorpusManifest) -> None:
    """Write the manifest, durably: its presence says that the corpus is complete."""
    with (folder / MANIFEST).open("w", encoding="utf-8") as stream:
        json.dump({"format_version": FORMAT_VERSION, **asdict(manifest)}, stream, indent=2)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())


def read_manifest(folder: Path) -> CorpusManifest:
    """Read a corpus's manifest. Raises: CorpusError where there is no finished corpus, or a newer one."""
    try:
        entries = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        version = entries.pop("format_version", None)
        if version == FORMAT_VERSION:
            return CorpusManifest(**entries)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CorpusError(f"{folder} holds no finished corpus: build one with `parrotlet-train corpus`") from error
    raise CorpusError(f"{folder} is a corpus of format {version}, not {FORMAT_VERSION}: build it again")


def read_documents(folder: Path, split: str = "train") -> Iterator[Document]:
    """Stream one split of a corpus, always in the same order. Raises: CorpusError for a shard that is damaged."""
    for name in read_manifest(folder).splits[split]["shards"]:
        try:
            with gzip.open(folder / name, "rt", encoding="utf-8") as stream:
                for line in stream:
                    yield Document(**json.loads(line))
        except (OSError, EOFError, ValueError, TypeError) as error:
            raise CorpusError(f"corpus shard {folder / name} is damaged: rebuild the corpus ({error})") from error


def corpus_digest(train: list[str], heldout: list[str]) -> str:
    """The corpus's identity: a hash over the sorted hashes of its documents, split by split."""
    lines = [f"train {digest}" for digest in sorted(train)] + [f"heldout {digest}" for digest in sorted(heldout)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
