"""Reads packed tokens: one split as a single run of ids, memory-mapped, with the start of each document."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lsp_server.errors import CorpusError
from trainer.corpus.store import Split
from trainer.packing.shards import OFFSETS_DTYPE, ids_file, offsets_file

FORMAT_VERSION = 2
"""1 had no document offsets and no checksums."""
INDEX = "index.json"
SPLITS: tuple[Split, ...] = ("train", "heldout")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStream:
    """One split as a single run of ids, in shards that are mapped, not read."""

    shards: tuple[npt.NDArray[Any], ...]
    starts: tuple[int, ...]
    """Position of each shard's first token, and the end of the last."""
    document_starts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    """Position of each document's first token, and the end of the last."""

    @classmethod
    def open(cls, folder: Path, split: Split) -> TokenStream:
        """Raises: CorpusError when the stage is not finished, or a file is not what the index says."""
        index = read_index(folder)
        try:
            entries, dtype = index["splits"][split]["shards"], np.dtype(index["dtype"]).newbyteorder("<")
            shards = [_Shard(folder, split, number, entry, dtype) for number, entry in enumerate(entries)]
        except (KeyError, TypeError, ValueError) as error:
            raise CorpusError(f"{folder / INDEX} is damaged ({error!r}): run `parrotlet-train pack` again") from error
        starts = np.concatenate([[0], np.cumsum([shard.num_tokens for shard in shards], dtype=np.int64)])
        offsets = [shard.offsets()[:-1] + start for shard, start in zip(shards, starts, strict=False)]
        return cls(
            shards=tuple(shard.ids() for shard in shards),
            starts=tuple(int(start) for start in starts),
            document_starts=np.concatenate([*offsets, starts[-1:]]),
        )

    def __len__(self) -> int:
        return self.starts[-1]

    @property
    def num_documents(self) -> int:
        return len(self.document_starts) - 1

    def read(self, start: int, count: int) -> npt.NDArray[np.int64]:
        """`count` ids from `start`, across shards; fewer at the end."""
        first = max(0, int(np.searchsorted(self.starts, start, side="right")) - 1)
        parts = []
        for shard, shard_start in zip(self.shards[first:], self.starts[first:], strict=False):
            if shard_start >= start + count:
                break
            part = shard[max(0, start - shard_start) : max(0, start + count - shard_start)]
            parts.append(part.astype(np.int64))
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


class _Shard:
    """One shard's two files, held against what the index says of them.

    Checksums cost 0.4 s a GB: a damaged token is told now, and not as a loss that nobody can explain.
    """

    def __init__(self, folder: Path, split: str, number: int, entry: dict[str, int], dtype: np.dtype[Any]) -> None:
        self._ids, self._offsets = ids_file(folder, split, number), offsets_file(folder, split, number)
        self._dtype = dtype
        self.num_tokens, self._num_documents = int(entry["tokens"]), int(entry["documents"])
        self._ids_crc32, self._offsets_crc32 = int(entry["crc32"]), int(entry["offsets_crc32"])

    def ids(self) -> npt.NDArray[Any]:
        return _mapped(self._ids, self._dtype, self.num_tokens, self._ids_crc32)

    def offsets(self) -> npt.NDArray[np.int64]:
        offsets = _mapped(self._offsets, OFFSETS_DTYPE, self._num_documents + 1, self._offsets_crc32)
        return offsets.astype(np.int64)


def _mapped(file: Path, dtype: np.dtype[Any], size: int, crc32: int) -> npt.NDArray[Any]:
    try:
        mapped: npt.NDArray[Any] = np.memmap(file, dtype=dtype, mode="r")
    except (OSError, ValueError) as error:  # ValueError: empty, or no whole number of entries
        raise CorpusError(f"{file} cannot be read ({error}): run `parrotlet-train pack` again") from error
    if len(mapped) != size:
        raise CorpusError(f"{file} has {len(mapped)} entries, not {size}: run `parrotlet-train pack` again")
    if zlib.crc32(mapped.data) != crc32:
        raise CorpusError(f"{file} is damaged, its checksum has changed: run `parrotlet-train pack` again")
    return mapped


def read_index(folder: Path) -> dict[str, Any]:
    """Raises: CorpusError when the folder is no finished packing stage, or one of another version."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"{folder} holds no packed tokens ({error}): run `parrotlet-train pack` first") from error
    version = index.get("format_version") if isinstance(index, dict) else None
    if not isinstance(index, dict) or version != FORMAT_VERSION:
        raise CorpusError(
            f"{folder} has packing format {version}, this trainer reads {FORMAT_VERSION}: "
            "run `parrotlet-train pack` again"
        )
    return index
