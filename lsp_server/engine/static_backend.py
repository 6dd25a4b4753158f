"""The network on torch with static shapes: what a CUDA graph can replay. Its slow twin is `torch_backend`.

A decoding step of a small network is some 125 kernels of a few microseconds: started one by one from Python they cost
several times what they compute. Every pass is padded to one of a few shapes, and each shape is recorded once.

Shape suffixes: R rows, N new tokens of a row, M tokens whose logits are wanted, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from lsp_server.engine.backend import Span
from lsp_server.engine.buckets import BUCKETS, Batch, Bucket, Piece, plan
from lsp_server.engine.device import wait_for
from lsp_server.engine.draft_cost import measure_draft_cost
from lsp_server.engine.static_pass import Recorder, Row, StaticPass
from lsp_server.engine.static_pool import StaticCache, StaticPool
from lsp_server.model.gpt2 import GPT2

DRAFT_TOKENS = 8
AT_START = tuple(bucket for bucket in BUCKETS if bucket.rows == 1)
"""What a lone request needs, its prompt included; the other shapes are recorded when they are first met."""


class StaticBackend:
    """Spans stand in rows of padded passes; keys and values stand in rows of a pool."""

    def __init__(
        self,
        network: GPT2,
        name: str,
        num_rows: int,
        recorder: Recorder | None = None,
        draft_tokens: int = DRAFT_TOKENS,
    ) -> None:
        """`num_rows` sequences can be held; without a recorder every pass goes through Python.

        Raises: EngineError when the rows are too few.
        """
        self.name = name
        self.draft_tokens = draft_tokens
        self._network, self._recorder = network, recorder
        self._pool = StaticPool(network.config, num_rows, network.wte.weight)
        self._passes: dict[Bucket, StaticPass] = {}

    @cached_property
    def draft_cost(self) -> float:
        """What one more token in a pass costs, as a share of a pass over one token; measured here."""
        cache = self._pool.new_cache()

        def read(num_tokens: int) -> None:
            cache.truncate(0)
            self.forward([Span(cache=cache, ids=[0] * num_tokens, num_logits=num_tokens)])
            wait_for(self._network.wte.weight.device)

        return measure_draft_cost(read)

    @property
    def device(self) -> str:
        return str(self._network.wte.weight.device)

    @property
    def vocab_size(self) -> int:
        return self._network.config.vocab_size

    @property
    def context_tokens(self) -> int:
        return self._network.config.context_tokens

    @property
    def num_free_rows(self) -> int:
        return self._pool.num_free

    def new_cache(self) -> StaticCache:
        """An empty cache for the whole window. Raises: EngineError when the documents' share of the pool is taken."""
        return self._pool.new_cache()

    def branch(self, cache: StaticCache, num_new_tokens: int) -> StaticCache:  # noqa: ARG002  a row holds a window
        """A sequence that goes on from all of `cache`. Raises: EngineError when the pool is full."""
        return self._pool.branch(cache)

    def prepare(self, buckets: Iterable[Bucket] = AT_START) -> None:
        """Record these shapes now, and measure what drafts cost, so that no request waits for it."""
        for bucket in buckets:
            self._pass(bucket)
        if self.draft_tokens:
            _ = self.draft_cost

    @torch.inference_mode()
    def forward(self, spans: Sequence[Span[StaticCache]]) -> list[Tensor]:
        """Append each span's tokens to its cache; returns its logits, MV in fp32, on the device.

        Never waits for the device. A failed device's own errors pass through: `device.is_failure` knows them.
        """
        parts: list[list[Tensor]] = [[] for _ in spans]
        for batch in plan([len(span.ids) for span in spans]):
            for piece, logits_MV in zip(batch.pieces, self._run(batch, spans), strict=True):
                parts[piece.span].append(logits_MV)
        return [part[0] if len(part) == 1 else torch.cat(part) for part in parts]

    def _run(self, batch: Batch, spans: Sequence[Span[StaticCache]]) -> list[Tensor]:
        """One pass; the logits that are wanted of each piece, MV."""
        rows = [_row(spans[piece.span], piece) for piece in batch.pieces]
        logits_RNV = self._pass(batch.bucket).run(rows)
        for piece in batch.pieces:
            spans[piece.span].cache.num_tokens += len(piece)
        firsts = [_first_wanted(spans[piece.span], piece) for piece in batch.pieces]
        low, high = min(firsts), max(map(len, batch.pieces))
        # One copy for all rows, because the next pass overwrites what it is made from.
        wanted_RMV = logits_RNV[: len(rows), low:high].to(torch.float32, copy=True)
        return [
            wanted_RMV[row, first - low : len(piece) - low]
            for row, (piece, first) in enumerate(zip(batch.pieces, firsts, strict=True))
        ]

    def _pass(self, bucket: Bucket) -> StaticPass:
        if bucket not in self._passes:
            with torch.inference_mode():
                self._passes[bucket] = StaticPass(self._network, self._pool, bucket, self._recorder)
        return self._passes[bucket]


def _row(span: Span[StaticCache], piece: Piece) -> Row:
    ids = span.ids[piece.start : piece.stop]
    assert span.cache.num_tokens + len(ids) <= span.cache.num_positions, "it would write into the next row"
    return Row(pool_row=span.cache.row, start=span.cache.num_tokens, ids=ids)


def _first_wanted(span: Span[StaticCache], piece: Piece) -> int:
    """The piece's first token whose logits are wanted; its length where none is."""
    return min(len(piece), max(0, len(span.ids) - span.num_logits - piece.start))
