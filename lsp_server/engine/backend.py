"""What the engine asks of a network that decodes: caches, and one forward pass over the new tokens of several of them.

A token's logits are those of the tokens before it in its cache, whatever is computed beside it: bit for bit on the
native back end, up to the last digits on torch, where the order of sums follows the shape of the pass.

Shape suffixes: N tokens whose logits are wanted, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from torch import Tensor


class Cache(Protocol):
    """Keys and values of one sequence's tokens. Positions are learned and absolute: it can only be cut on its right."""

    @property
    def num_tokens(self) -> int: ...

    @property
    def num_bytes(self) -> int:
        """Memory it may come to hold."""
        ...

    def truncate(self, num_tokens: int) -> None:
        """Forget the tokens from `num_tokens` on."""
        ...


C = TypeVar("C", bound=Cache)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span(Generic[C]):
    """New tokens behind those of a cache."""

    cache: C
    ids: Sequence[int]
    num_logits: int = 1
    """How many of the last tokens need logits; 0 where more of the prompt follows."""


class Backend(Protocol[C]):
    """A network on a device, and caches of its own kind. Belongs to one thread."""

    @property
    def name(self) -> str:
        """What `doctor` and `status` call it, such as `native int8 (avx2)`."""
        ...

    @property
    def device(self) -> str: ...

    @property
    def vocab_size(self) -> int: ...

    @property
    def context_tokens(self) -> int: ...

    @property
    def draft_tokens(self) -> int:
        """The most drafts that are worth verifying in one pass; 0 where a pass over more tokens costs too much more."""
        ...

    @property
    def draft_cost(self) -> float:
        """What one more token in a pass costs, as a share of a pass over one token."""
        ...

    def new_cache(self) -> C:
        """An empty cache for the whole window."""
        ...

    def branch(self, cache: C, num_new_tokens: int) -> C:
        """A sequence that goes on from all of `cache`, which must not change while its branches live."""
        ...

    def forward(self, spans: Sequence[Span[C]]) -> list[Tensor]:
        """Append each span's tokens to its cache; returns its logits, NV in fp32, on the CPU or on the device.

        No cache may stand in two spans. A failed device's own errors pass through: `device.is_failure` knows them.
        Raises: EngineError.
        """
        ...
