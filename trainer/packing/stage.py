"""The packing stage: a corpus and a tokenizer in, token shards out, one `<|endoftext|>` behind each document.

OUT/train-00000.bin ...       uint16 or uint32, little endian
OUT/train-00000.offsets ...   int64, little endian: the start of each document in its shard, and the end of the last
OUT/heldout-00000.bin ...
OUT/index.json                format version, dtype, counts and checksums of each split, what it was made from

A run that is interrupted leaves no index; the next one starts clean.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from lsp_server.errors import CorpusError
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.config import PackingConfig, digest
from trainer.corpus import read_documents, read_manifest
from trainer.corpus.store import MANIFEST, CorpusManifest
from trainer.folders import whole_folder
from trainer.packing.canaries import planted_texts
from trainer.packing.encoding import EncodeBatches, encoding, num_cores
from trainer.packing.shards import SplitWriter
from trainer.packing.stream import FORMAT_VERSION, INDEX, SPLITS, read_index

ENCODE_DOCUMENTS = 256
ENCODE_BYTES = 2_000_000
"""Documents encoded at once, until either is reached: memory stays flat."""
BYTES_A_PROCESS = 16_000_000
"""Less text than this is encoded before another process has started."""


def pack(corpus: Path, tokenizer_path: Path, out: Path, config: PackingConfig) -> dict[str, Any]:
    """Encode a corpus into shards, written beside `out` and renamed when whole; returns the index.

    Raises: CorpusError when there is no training text, ids do not fit the dtype, or the disk refuses.
    """
    try:
        with whole_folder(out) as folder:
            return _write_stage(corpus, tokenizer_path, folder, config)
    except OSError as error:
        raise CorpusError(f"{out} cannot be written ({error}): free disk space, then pack again") from error


def require_current(packed: Path, corpus: Path) -> None:
    """Raises: CorpusError where the corpus has been built anew since it was packed; one that was removed has not."""
    if not (corpus / MANIFEST).is_file() or read_manifest(corpus).corpus_hash == read_index(packed)["corpus_hash"]:
        return
    raise CorpusError(f"the corpus {corpus} has changed since {packed} was made: run `parrotlet-train pack` again")


def _write_stage(corpus: Path, tokenizer_path: Path, folder: Path, config: PackingConfig) -> dict[str, Any]:
    manifest = read_manifest(corpus)
    tokenizer = CodeTokenizer.load(tokenizer_path)
    dtype = _dtype(tokenizer.vocab_size, config)
    end_of_text = np.asarray([tokenizer.end_of_text], dtype).tobytes()
    splits = {}
    with encoding(tokenizer_path, dtype, _num_processes(manifest, config)) as encode:
        for split in SPLITS:
            writer = SplitWriter(folder, split, dtype, config.shard_tokens)
            planted = list(planted_texts(config.canaries, config.canary_copies)) if split == "train" else []
            share = config.train_share if split == "train" else 1.0
            texts = chain(_texts(corpus, split, share), planted)
            with contextlib.closing(writer):
                _write_split(texts, manifest.num_documents(split) + len(planted), encode, end_of_text, writer)
            splits[split] = writer.summary()
    if not splits["train"]["tokens"]:
        raise CorpusError(f"{corpus} holds no training text: add sources")
    index = {
        "format_version": FORMAT_VERSION,
        "dtype": dtype.name,
        "vocab_size": tokenizer.vocab_size,
        "end_of_text": tokenizer.end_of_text,
        "corpus_hash": manifest.corpus_hash,
        "content_hash": digest(
            manifest.corpus_hash,
            tokenizer_path.read_text(encoding="utf-8"),
            config.dtype,
            config.shard_tokens,
            *([config.canaries, config.canary_copies] if config.canaries else []),
            *([{"train_share": config.train_share}] if config.train_share < 1 else []),
        ),
        "splits": splits,
    }
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return index


def _texts(corpus: Path, split: str, share: float) -> Iterator[str]:
    """Of the documents whose hashes, read as fractions, lie below the share."""
    for document in read_documents(corpus, split):
        if share == 1 or int(document.sha256[:8], 16) < share * 2**32:
            yield document.text


def _num_processes(manifest: CorpusManifest, config: PackingConfig) -> int:
    """The same shards come of any number; it only shares out the work."""
    num_bytes = sum(manifest.num_bytes(split) for split in SPLITS)
    return max(1, min(config.processes or num_cores(), num_bytes // BYTES_A_PROCESS))


def _dtype(vocab_size: int, config: PackingConfig) -> np.dtype[Any]:
    fits_16_bits = vocab_size <= 2**16
    if config.dtype == "uint16" and not fits_16_bits:
        raise CorpusError(f'packing.dtype is "uint16", but the tokenizer has {vocab_size} tokens: choose "uint32"')
    wide = config.dtype == "uint32" or not fits_16_bits
    return np.dtype("<u4") if wide else np.dtype("<u2")


def _write_split(
    texts: Iterable[str], num_documents: int, encode: EncodeBatches, end_of_text: bytes, writer: SplitWriter
) -> None:
    with tqdm(total=num_documents, desc=f"packing {writer.name}", unit="file", delay=2) as progress:
        for batch, encoded in encode(_batches(texts)):
            for text, ids in zip(batch, encoded, strict=True):
                writer.add(ids + end_of_text, len(text.encode()))
            progress.update(len(batch))


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text.replace("\r\n", "\n"))  # editors' line ends are undone before a prompt, too
        size += len(batch[-1])
        if len(batch) == ENCODE_DOCUMENTS or size >= ENCODE_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
