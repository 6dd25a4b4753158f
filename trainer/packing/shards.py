"""Writes one split's shards: ids, and where each document begins. Knows nothing of text."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

OFFSETS_DTYPE = np.dtype("<i8")


def ids_file(folder: Path, split: str, number: int) -> Path:
    return folder / f"{split}-{number:05d}.bin"


def offsets_file(folder: Path, split: str, number: int) -> Path:
    return folder / f"{split}-{number:05d}.offsets"


@dataclass(slots=True)
class SplitWriter:
    """Starts a new shard where a document would make one longer than `shard_tokens`, and counts what went in."""

    folder: Path
    name: str
    dtype: np.dtype[Any]
    shard_tokens: int
    num_bytes: int = 0
    shards: list[dict[str, int]] = field(default_factory=list)
    _stream: IO[bytes] | None = None
    _offsets: list[int] = field(default_factory=list)

    def add(self, ids: bytes, num_bytes: int) -> None:
        """Append a document, its `<|endoftext|>` included, as bytes of the dtype; `num_bytes` is its text's length."""
        num_tokens = len(ids) // self.dtype.itemsize
        if self._stream is None or self._offsets[-1] + num_tokens > self.shard_tokens:
            self._next_shard()
        assert self._stream is not None
        self._stream.write(ids)
        self.shards[-1]["crc32"] = zlib.crc32(ids, self.shards[-1]["crc32"])
        self._offsets.append(self._offsets[-1] + num_tokens)
        self.num_bytes += num_bytes

    def _next_shard(self) -> None:
        self.close()
        self._stream = ids_file(self.folder, self.name, len(self.shards)).open("wb")
        self.shards.append({"tokens": 0, "documents": 0, "crc32": 0, "offsets_crc32": 0})
        self._offsets = [0]

    def close(self) -> None:
        """Finish the last shard with the start of each document in it, and the end of the last."""
        if self._stream is None:
            return
        self._stream.close()
        self._stream = None
        offsets = np.asarray(self._offsets, dtype=OFFSETS_DTYPE).tobytes()
        offsets_file(self.folder, self.name, len(self.shards) - 1).write_bytes(offsets)
        self.shards[-1] |= {
            "tokens": self._offsets[-1],
            "documents": len(self._offsets) - 1,
            "offsets_crc32": zlib.crc32(offsets),
        }

    def summary(self) -> dict[str, Any]:  # Any: JSON
        """What the index says of the split, once it is closed."""
        return {
            "documents": sum(shard["documents"] for shard in self.shards),
            "tokens": sum(shard["tokens"] for shard in self.shards),
            "bytes": self.num_bytes,
            "shards": self.shards,
        }
