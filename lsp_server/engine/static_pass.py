"""One pass of a fixed shape: inputs at fixed addresses, the network over them, logits at a fixed address.

Nothing in the computation depends on Python values that change from pass to pass, so it can be recorded once, as a CUDA
graph, and replayed. Tests replay recorded passes on a CPU, too.

Shape suffixes: R rows, N new tokens of a row, T all of them (R*N), K rows of the pool, S positions, H heads, D head
width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from lsp_server.engine.buckets import Bucket
from lsp_server.engine.device import pinned
from lsp_server.engine.static_pool import StaticPool
from lsp_server.model.gpt2 import GPT2

Replay = Callable[[], None]


class Recorder(Protocol):
    """Turns a computation over tensors that never move into one that can be run again at once."""

    def record(self, compute: Callable[[], Tensor]) -> tuple[Tensor, Replay]:
        """The output's tensor, and what computes it anew from the inputs as they are then."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """New tokens of one sequence."""

    pool_row: int
    start: int
    """The first one's position."""
    ids: Sequence[int]


class StaticPass:
    """The inputs, the computation and the output of one bucket."""

    def __init__(self, network: GPT2, pool: StaticPool, bucket: Bucket, recorder: Recorder | None) -> None:
        """Without a recorder every run goes through Python: the slow twin."""
        self._network, self._bucket = network, bucket
        self._num_positions = network.config.context_tokens
        self._padding_row = pool.padding_row
        size = bucket.rows * bucket.tokens
        device = network.wte.weight.device
        self._inputs = torch.tensor(self._numbers([]), device=device)  # one tensor: one copy to the device a pass
        ids_T, positions_T, places_T, rows_R = torch.split(self._inputs, [size, size, size, bucket.rows])
        self._ids_RN = ids_T.view(bucket.rows, bucket.tokens)
        self._memory = _PoolMemory(pool, positions_T.view(bucket.rows, bucket.tokens), places_T, rows_R)
        self._logits_RNV: Tensor | None = None
        self._replay: Replay | None = None
        if recorder is not None:
            self._logits_RNV, self._replay = recorder.record(self._compute)

    def run(self, rows: Sequence[Row]) -> Tensor:
        """Logits behind every token, RNV; the next run overwrites them."""
        numbers = pinned(torch.tensor(self._numbers(rows)), self._inputs.device)
        self._inputs.copy_(numbers, non_blocking=True)
        if self._replay is None or self._logits_RNV is None:
            return self._compute()
        self._replay()
        return self._logits_RNV

    def _compute(self) -> Tensor:
        self._memory.look()
        return F.linear(self._network.hidden(self._ids_RN, self._memory), self._network.wte.weight)

    def _numbers(self, rows: Sequence[Row]) -> list[int]:
        """The inputs one behind the other: ids, positions and places of all tokens, the pool's rows."""
        ids: list[int] = []
        positions: list[int] = []
        places: list[int] = []
        for row in rows:
            num_padding = self._bucket.tokens - len(row.ids)
            first = row.pool_row * self._num_positions + row.start
            ids += [*row.ids, *[0] * num_padding]
            positions += [*range(row.start, row.start + len(row.ids)), *[0] * num_padding]
            places += [*range(first, first + len(row.ids)), *[self._padding_place] * num_padding]
        num_empty = self._bucket.rows - len(rows)
        nothing = [0] * (num_empty * self._bucket.tokens)
        pool_rows = [row.pool_row for row in rows] + [self._padding_row] * num_empty
        return [*ids, *nothing, *positions, *nothing, *places, *(self._padding_place for _ in nothing), *pool_rows]

    @property
    def _padding_place(self) -> int:
        """Where padding writes, and nobody reads."""
        return self._padding_row * self._num_positions


class _PoolMemory:
    """The memory of one pass: rows of the pool, looked at as a whole, with a mask in place of their lengths."""

    def __init__(self, pool: StaticPool, positions_RN: Tensor, places_T: Tensor, rows_R: Tensor) -> None:
        """`places_T` counts positions through all rows of the pool; the inputs are read anew in every pass."""
        self._pool = pool
        self._positions_RN, self._places_T, self._rows_R = positions_RN, places_T, rows_R
        self._all_S = torch.arange(pool.keys_LKSHD.shape[2], device=rows_R.device)
        self._bias_R1NS = pool.keys_LKSHD.new_empty(0)

    @property
    def positions_T(self) -> Tensor:  # noqa: N802  the network's name for it
        """RN here: each row has positions of its own."""
        return self._positions_RN

    def look(self) -> None:
        """Work out once for all layers what each token may see: itself and what stands before it."""
        is_hidden_R1NS = self._all_S > self._positions_RN[:, None, :, None]
        bias_R1NS = self._pool.keys_LKSHD.new_zeros(is_hidden_R1NS.shape)
        self._bias_R1NS = bias_R1NS.masked_fill_(is_hidden_R1NS, float("-inf"))

    def attend(self, layer: int, queries_BHTD: Tensor, keys_BHTD: Tensor, values_BHTD: Tensor) -> Tensor:
        keys_RHSD = self._store(self._pool.keys_LKSHD[layer], keys_BHTD)
        values_RHSD = self._store(self._pool.values_LKSHD[layer], values_BHTD)
        return F.scaled_dot_product_attention(queries_BHTD, keys_RHSD, values_RHSD, attn_mask=self._bias_R1NS)

    def _store(self, pool_KSHD: Tensor, new_RHND: Tensor) -> Tensor:
        """Write the new tokens' keys or values into one layer of the pool; returns its rows in this pass, RHSD."""
        pool_KSHD.flatten(0, 1).index_copy_(0, self._places_T, new_RHND.transpose(1, 2).flatten(0, 1))
        return pool_KSHD.index_select(0, self._rows_R).transpose(1, 2)
