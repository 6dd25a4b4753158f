"""The corpus on disk: gzipped JSON lines in shards, and the manifest. Knows nothing of where documents come from.

A corpus folder appears whole or not at all: it is written beside its place and renamed when it is finished.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from lsp_server.errors import CorpusError

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
SHARD_BYTES = 64_000_000
_COMPRESSION = 5

Split = Literal["train", "heldout"]
_SHARD_NAMES: dict[str, str] = {"train": "documents", "heldout": "heldout"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file's text, and where it came from."""

    path: str
    source: str
    licence: str
    sha256: str
    text: str


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

    def num_documents(self, split: str) -> int:
        return int(self.splits[split]["num_documents"])

    def num_bytes(self, split: str) -> int:
        """Of the text as UTF-8."""
        return int(self.splits[split]["num_bytes"])


class ShardWriter:
    """Writes one split; closes each shard at `SHARD_BYTES` of text. The same documents make the same bytes."""

    def __init__(self, folder: Path, split: Split) -> None:
        self._folder = folder
        self._split = split
        self._raw: BinaryIO | None = None
        self._stream: gzip.GzipFile | None = None
        self._shard_bytes = 0
        self._digests: list[str] = []
        self.shards: list[str] = []
        self.num_bytes = 0

    @property
    def num_documents(self) -> int:
        return len(self._digests)

    @property
    def digests(self) -> list[str]:
        """The documents' sha256, in the order of writing."""
        return self._digests

    def add(self, document: Document) -> None:
        """Append a document."""
        num_bytes = len(document.text.encode())
        if self._stream is None or self._shard_bytes + num_bytes > SHARD_BYTES:
            self._open_next()
        assert self._stream is not None
        self._stream.write(json.dumps(asdict(document), ensure_ascii=True).encode() + b"\n")
        self._shard_bytes += num_bytes
        self.num_bytes += num_bytes
        self._digests.append(document.sha256)

    def close(self) -> None:
        """Finish the last shard and make it durable."""
        if self._stream is None or self._raw is None:
            return
        with self._raw as raw:
            self._stream.close()
            raw.flush()
            os.fsync(raw.fileno())
        self._stream = self._raw = None

    def _open_next(self) -> None:
        self.close()
        name = f"{_SHARD_NAMES[self._split]}-{len(self.shards):05d}.jsonl.gz"
        self._raw = (self._folder / name).open("wb")
        self._stream = gzip.GzipFile(filename="", mode="wb", compresslevel=_COMPRESSION, fileobj=self._raw, mtime=0)
        self.shards.append(name)
        self._shard_bytes = 0


@contextmanager
def new_corpus_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `folder` if the block ends well and vanishes if it does not.

    Raises: CorpusError where something else is in the way, or the disk is full.
    """
    if folder.exists() and not (folder / MANIFEST).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise CorpusError(f"{folder} exists and is no corpus: choose another folder with --out")
    partial = folder.with_name(f".{folder.name}.partial")
    replaced = folder.with_name(f".{folder.name}.replaced")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        if folder.exists():
            folder.rename(replaced)
        partial.rename(folder)
    except OSError as error:
        raise CorpusError(f"corpus {folder} cannot be written: {error}; free space or choose --out") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


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
