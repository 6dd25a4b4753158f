"""Keys and values of tokens already seen, one slot a document, in memory that is allocated once. Knows no sampling.

Positions are learned and absolute: only a common prefix can be reused, so a slot is only ever cut on its right.

Shape suffixes: L layers, B rows, H heads, S positions, T new tokens, D head width.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import takewhile

import torch
from torch import Tensor

from lsp_server.model.gpt2 import GPT2Config

DEFAULT_CACHE_BYTES = 256 * 2**20
"""Five documents of a 12 x 512 model with 1,024 positions in fp32, sixteen of a 6 x 320 one."""


class CacheRows:
    """A `KeyValueCache` over preallocated tensors: rows of equal length, one for each sequence decoded together."""

    def __init__(self, keys_LBHSD: Tensor, values_LBHSD: Tensor, num_tokens: int = 0) -> None:
        self._keys_LBHSD = keys_LBHSD
        self._values_LBHSD = values_LBHSD
        self._num_tokens = num_tokens

    @classmethod
    @torch.inference_mode()
    def allocate(
        cls, config: GPT2Config, *, num_rows: int, num_positions: int, device: torch.device, dtype: torch.dtype
    ) -> CacheRows:
        shape = (config.num_layers, num_rows, config.num_heads, num_positions, config.head_width)
        return cls(torch.empty(shape, device=device, dtype=dtype), torch.empty(shape, device=device, dtype=dtype))

    @property
    def num_tokens(self) -> int:
        return self._num_tokens

    @property
    def num_rows(self) -> int:
        return self._keys_LBHSD.shape[1]

    @property
    def num_bytes(self) -> int:
        return self._keys_LBHSD.nbytes + self._values_LBHSD.nbytes

    def append(self, layer: int, keys_BHTD: Tensor, values_BHTD: Tensor) -> tuple[Tensor, Tensor]:
        """Store one layer's new tokens behind `num_tokens`; returns all of its keys and values, each BHSD."""
        end = self._num_tokens + keys_BHTD.shape[2]
        keys_BHSD, values_BHSD = self._keys_LBHSD[layer, :, :, :end], self._values_LBHSD[layer, :, :, :end]
        keys_BHSD[:, :, self._num_tokens :] = keys_BHTD
        values_BHSD[:, :, self._num_tokens :] = values_BHTD
        return keys_BHSD, values_BHSD

    def advance(self, num_new_tokens: int) -> None:
        """Count the tokens that every layer has appended."""
        self._num_tokens += num_new_tokens

    def truncate(self, num_tokens: int) -> None:
        """Forget the tokens from `num_tokens` on."""
        assert 0 <= num_tokens <= self._num_tokens
        self._num_tokens = num_tokens

    @torch.inference_mode()
    def fork(self, num_rows: int, num_new_tokens: int) -> CacheRows:
        """`num_rows` copies of the single row, with room for `num_new_tokens` more."""
        num_layers, _, num_heads, _, head_width = self._keys_LBHSD.shape
        shape = (num_layers, num_rows, num_heads, self._num_tokens + num_new_tokens, head_width)
        fork = CacheRows(self._keys_LBHSD.new_empty(shape), self._values_LBHSD.new_empty(shape), self._num_tokens)
        fork._keys_LBHSD[:, :, :, : self._num_tokens] = self._keys_LBHSD[:, :, :, : self._num_tokens]
        fork._values_LBHSD[:, :, :, : self._num_tokens] = self._values_LBHSD[:, :, :, : self._num_tokens]
        return fork

    @torch.inference_mode()
    def keep(self, rows: Sequence[int]) -> None:
        """Drop all rows but these: an ended candidate costs no further work."""
        self._keys_LBHSD = self._keys_LBHSD[:, list(rows)]
        self._values_LBHSD = self._values_LBHSD[:, list(rows)]


class Slot:
    """One document's cached sequence: the token ids, and the row that holds their keys and values."""

    def __init__(self, rows: CacheRows) -> None:
        self.rows = rows
        self.ids: list[int] = []

    def reuse(self, prompt_ids: Sequence[int]) -> int:
        """Cut to the prefix shared with `prompt_ids`; returns its length.

        The prompt's last token is never reused, because its logits are needed.
        """
        common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self.ids, prompt_ids, strict=False)))
        num_reused = min(common, len(prompt_ids) - 1)
        self.rows.truncate(num_reused)
        del self.ids[num_reused:]
        return num_reused

    def clear(self) -> None:
        """Forget all tokens."""
        self.rows.truncate(0)
        self.ids.clear()

    def extend(self, ids: Iterable[int]) -> None:
        """Record tokens whose keys and values the row has taken."""
        self.ids.extend(ids)
        assert len(self.ids) == self.rows.num_tokens


class SlotPool:
    """All documents' slots; the least recently used ones leave when the byte budget is spent."""

    def __init__(
        self, config: GPT2Config, device: torch.device, dtype: torch.dtype, max_bytes: int = DEFAULT_CACHE_BYTES
    ) -> None:
        self._config, self._device, self._dtype, self._max_bytes = config, device, dtype, max_bytes
        self._slots: OrderedDict[str, Slot] = OrderedDict()

    def open(self, document: str) -> Slot:
        """The document's slot, newly made if need be; other slots may leave, this one stays."""
        slot = self._slots.pop(document, None) or self._new_slot()
        self._slots[document] = slot
        return slot

    def forget(self, document: str) -> None:
        self._slots.pop(document, None)

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def num_bytes(self) -> int:
        return sum(slot.rows.num_bytes for slot in self._slots.values())

    def _new_slot(self) -> Slot:
        element_bytes = torch.empty((), dtype=self._dtype).element_size()
        slot_bytes = (
            2 * self._config.num_layers * self._config.width * self._config.context_tokens * element_bytes
        )  # keys and values; heads * head width = width
        while self._slots and self.num_bytes + slot_bytes > self._max_bytes:
            self._slots.popitem(last=False)
        return Slot(
            CacheRows.allocate(
                self._config,
                num_rows=1,
                num_positions=self._config.context_tokens,
                device=self._device,
                dtype=self._dtype,
            )
        )
