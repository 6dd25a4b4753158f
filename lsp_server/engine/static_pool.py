"""Keys and values of all sequences in two tensors that never move, so that a captured pass finds them again.

A cache owns one row of the pool, and gives it back when it is no longer referred to.

Shape suffixes: L layers, K rows of the pool, S positions, H heads, D head width.
"""

from __future__ import annotations

import gc
import weakref

from torch import Tensor

from lsp_server.errors import EngineError
from lsp_server.model.gpt2 import GPT2Config

MIN_ROWS = 4
"""Two documents, and the two branches of the least request with several candidates."""


class StaticCache:
    """One sequence's row of the pool."""

    def __init__(self, row: int, num_positions: int, num_bytes: int) -> None:
        self.row = row
        self.num_positions = num_positions
        self.num_tokens: int = 0
        self._num_bytes = num_bytes

    @property
    def num_bytes(self) -> int:
        return self._num_bytes

    def truncate(self, num_tokens: int) -> None:
        """Forget the tokens from `num_tokens` on."""
        assert 0 <= num_tokens <= self.num_tokens
        self.num_tokens = num_tokens


class StaticPool:
    """A fixed number of rows: half are for documents, half for branches, which must find one while documents idle."""

    def __init__(self, config: GPT2Config, num_rows: int, like: Tensor) -> None:
        """`like` gives device and number format. One row more takes what padding writes.

        Raises: EngineError when the rows are too few to serve anybody.
        """
        if num_rows < MIN_ROWS:
            raise EngineError(
                f"{like.device} has room for {num_rows} sequences, at least {MIN_ROWS} are needed: "
                "close other programs that use it, or choose --device cpu"
            )
        shape = (config.num_layers, num_rows + 1, config.context_tokens, config.num_heads, config.head_width)
        self.keys_LKSHD, self.values_LKSHD = like.new_zeros(shape), like.new_zeros(shape)
        self.padding_row = num_rows
        self._row_bytes = row_bytes(config, like)
        self._for_documents = list(range(num_rows // 2))
        self._for_branches = list(range(num_rows // 2, num_rows))

    @property
    def num_free(self) -> int:
        return len(self._for_documents) + len(self._for_branches)

    def new_cache(self) -> StaticCache:
        """An empty row. Raises: EngineError when the documents' rows are taken."""
        cache = self._take(self._for_documents, "document: close some")
        for pool_LKSHD in (self.keys_LKSHD, self.values_LKSHD):
            pool_LKSHD[:, cache.row].zero_()  # a masked position weighs 0, and 0 times what is no number is none
        return cache

    def branch(self, cache: StaticCache) -> StaticCache:
        """A copy of a row. Raises: EngineError when the branches' rows are taken."""
        if not self._for_branches:
            gc.collect()  # a failed request's traceback may still hold some
        copy = self._take(self._for_branches, "candidate: ask for fewer at a time")
        for pool_LKSHD in (self.keys_LKSHD, self.values_LKSHD):
            pool_LKSHD[:, copy.row].copy_(pool_LKSHD[:, cache.row])
        copy.num_tokens = cache.num_tokens
        return copy

    def _take(self, free: list[int], who_and_remedy: str) -> StaticCache:
        if not free:
            raise EngineError(f"no room on {self.keys_LKSHD.device} for another {who_and_remedy}")
        cache = StaticCache(free.pop(), self.keys_LKSHD.shape[2], self._row_bytes)
        weakref.finalize(cache, free.append, cache.row).atexit = False
        return cache


def row_bytes(config: GPT2Config, like: Tensor) -> int:
    """What the keys and values of one sequence take."""
    return 2 * config.num_layers * config.width * config.context_tokens * like.itemsize
