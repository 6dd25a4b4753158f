"""Token shards on disk: documents as ids, one `<|endoftext|>` behind each, memory-mapped. Knows nothing of training.

OUT/train-00000.bin ...   uint16 or uint32, little endian
OUT/heldout-00000.bin ...
OUT/index.json            format version, dtype, tokens and documents and bytes of each split, what it was made from
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from lsp_server.errors import CorpusError
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.config import PackingConfig, digest
from trainer.corpus import Document, read_documents, read_manifest
from trainer.corpus.store import Split

FORMAT_VERSION = 1
INDEX = "index.json"
SPLITS: tuple[Split, ...] = ("train", "heldout")
ENCODE_BATCH = 256
"""Documents encoded at once, on all cores."""


@dataclass(slots=True)
class _SplitWriter:
    """Writes one split's shards and counts what went in."""

    folder: Path
    name: Split
    dtype: np.dtype[Any]
    shard_tokens: int
    num_documents: int = 0
    num_tokens: int = 0
    num_bytes: int = 0
    shards: list[int] = field(default_factory=list)
    _stream: IO[bytes] | None = None

    def add(self, ids: list[int], num_bytes: int) -> None:
        if self._stream is None or self.shards[-1] + len(ids) > self.shard_tokens:
            self._next_shard()
        assert self._stream is not None
        self._stream.write(np.asarray(ids, dtype=self.dtype).tobytes())
        self.shards[-1] += len(ids)
        self.num_documents += 1
        self.num_tokens += len(ids)
        self.num_bytes += num_bytes

    def _next_shard(self) -> None:
        self.close()
        self._stream = (self.folder / f"{self.name}-{len(self.shards):05d}.bin").open("wb")
        self.shards.append(0)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def summary(self) -> dict[str, Any]:
        return {
            "documents": self.num_documents,
            "tokens": self.num_tokens,
            "bytes": self.num_bytes,
            "shards": self.shards,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStream:
    """One split as a single run of ids, in shards that are mapped, not read."""

    shards: tuple[npt.NDArray[Any], ...]
    starts: tuple[int, ...]
    """Position of each shard's first token, and the end of the last."""

    @classmethod
    def open(cls, folder: Path, split: Split) -> TokenStream:
        """Raises: CorpusError when the stage is not finished, or a shard is not what the index says."""
        index = read_index(folder)
        try:
            sizes, dtype = index["splits"][split]["shards"], np.dtype(index["dtype"]).newbyteorder("<")
        except (KeyError, TypeError) as error:
            raise CorpusError(f"{folder / INDEX} is damaged ({error!r}): run `parrotlet-train pack` again") from error
        shards = tuple(_map(folder / f"{split}-{number:05d}.bin", dtype, size) for number, size in enumerate(sizes))
        starts = tuple(int(start) for start in np.concatenate([[0], np.cumsum(sizes)]))
        return cls(shards=shards, starts=starts)

    def __len__(self) -> int:
        return self.starts[-1]

    def read(self, start: int, count: int) -> npt.NDArray[np.int64]:
        """`count` ids from `start`, across shards; fewer at the end."""
        parts = []
        for shard, shard_start in zip(self.shards, self.starts, strict=False):
            part = shard[max(0, start - shard_start) : max(0, start + count - shard_start)]
            parts.append(part.astype(np.int64))
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _map(file: Path, dtype: np.dtype[Any], size: int) -> npt.NDArray[Any]:
    try:
        shard: npt.NDArray[Any] = np.memmap(file, dtype=dtype, mode="r")
    except (OSError, ValueError) as error:  # ValueError: empty, or no whole number of ids
        raise CorpusError(f"{file} cannot be read ({error}): run `parrotlet-train pack` again") from error
    if len(shard) != size:
        raise CorpusError(f"{file} has {len(shard)} tokens, not {size}: run `parrotlet-train pack` again")
    return shard


def pack(corpus: Path, tokenizer_path: Path, out: Path, config: PackingConfig) -> dict[str, Any]:
    """Encode a corpus into shards, written beside `out` and renamed when whole; returns the index.

    Raises: CorpusError when there is no training text, ids do not fit the dtype, or the disk refuses.
    """
    partial = out.with_name(out.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        index = _write_stage(corpus, tokenizer_path, partial, config)
        shutil.rmtree(out, ignore_errors=True)
        partial.rename(out)
    except OSError as error:
        raise CorpusError(f"{out} cannot be written ({error}): free disk space, then pack again") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return index


def _write_stage(corpus: Path, tokenizer_path: Path, folder: Path, config: PackingConfig) -> dict[str, Any]:
    manifest = read_manifest(corpus)
    tokenizer = CodeTokenizer.load(tokenizer_path)
    dtype = _dtype(tokenizer.vocab_size, config)
    splits = {}
    for split in SPLITS:
        writer = _SplitWriter(folder, split, dtype, config.shard_tokens)
        with contextlib.closing(writer):
            _write_split(corpus, manifest.num_documents(split), tokenizer, writer)
        splits[split] = writer.summary()
    if not splits["train"]["tokens"]:
        raise CorpusError(f"{corpus} holds no training text: add sources")
    index = {
        "format_version": FORMAT_VERSION,
        "dtype": dtype.name,
        "vocab_size": tokenizer.vocab_size,
        "end_of_text": tokenizer.end_of_text,
        "corpus_hash": manifest.corpus_hash,
        "content_hash": digest(manifest.corpus_hash, tokenizer_path.read_text(encoding="utf-8"), config),
        "splits": splits,
    }
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return index


def read_index(folder: Path) -> dict[str, Any]:
    """Raises: CorpusError when the folder is no finished packing stage."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"{folder} holds no packed tokens ({error}): run `parrotlet-train pack` first") from error
    version = index.get("format_version") if isinstance(index, dict) else None
    if not isinstance(index, dict) or version != FORMAT_VERSION:
        raise CorpusError(f"{folder} has packing format {version}: run `parrotlet-train pack` again")
    return index


def _dtype(vocab_size: int, config: PackingConfig) -> np.dtype[Any]:
    fits_16_bits = vocab_size <= 2**16
    if config.dtype == "uint16" and not fits_16_bits:
        raise CorpusError(f'packing.dtype is "uint16", but the tokenizer has {vocab_size} tokens: choose "uint32"')
    wide = config.dtype == "uint32" or not fits_16_bits
    return np.dtype("<u4") if wide else np.dtype("<u2")


def _write_split(corpus: Path, num_documents: int, tokenizer: CodeTokenizer, writer: _SplitWriter) -> None:
    with tqdm(total=num_documents, desc=f"packing {writer.name}", unit="file", delay=2) as progress:
        for batch in _batches(read_documents(corpus, writer.name)):
            for text, ids in zip(batch, tokenizer.encode_batch(batch), strict=True):
                writer.add([*ids, tokenizer.end_of_text], len(text.encode()))
            progress.update(len(batch))


def _batches(documents: Iterator[Document]) -> Iterator[list[str]]:
    batch: list[str] = []
    for document in documents:
        batch.append(document.text.replace("\r\n", "\n"))  # editors' line ends are undone before a prompt, too
        if len(batch) == ENCODE_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
