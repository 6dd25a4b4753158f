"""What nearly always comes behind two or three tokens, counted in the corpus that the model learned from.

The engine's drafts use it: the table proposes, the network decides. Knows no text.

Shape suffixes: E entries, sorted by key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lsp_server.errors import BundleError
from lsp_server.model.bundle import REMEDY

ORDERS = (3, 2)
"""Tokens of context, the longest first: a longer one that is known is right more often."""


@dataclass(frozen=True, slots=True, eq=False)
class NgramTable:
    """Contexts, their likeliest next token, and its share of all that followed in the corpus."""

    vocab_size: int
    keys_E: Tensor
    """int64, see `context_key`."""
    next_ids_E: Tensor
    """int32."""
    shares_E: Tensor
    """fp16, 0 to 1."""

    @classmethod
    def load(cls, path: Path, vocab_size: int) -> NgramTable:
        """Raises: BundleError when the file is unreadable or does not fit the vocabulary."""
        try:
            tensors = load_file(path)
            table = cls(vocab_size, tensors["keys"], tensors["next_ids"], tensors["shares"])
        except (OSError, SafetensorError, KeyError) as error:
            raise BundleError(f"{path} cannot be read ({error!r}): {REMEDY}") from error
        sizes = {len(each) for each in tensors.values()}
        whole = len(sizes) == 1 and bool((table.keys_E[1:] > table.keys_E[:-1]).all())
        if not whole or bool(((table.next_ids_E < 0) | (table.next_ids_E >= vocab_size)).any()):
            raise BundleError(f"{path} does not fit a vocabulary of {vocab_size} tokens: {REMEDY}")
        return table

    def save(self, path: Path) -> None:
        tensors = {"keys": self.keys_E, "next_ids": self.next_ids_E, "shares": self.shares_E}
        save_file(tensors, path)
        path.chmod(0o644)  # safetensors writes for the owner alone; a package is read by others

    def __len__(self) -> int:
        return len(self.keys_E)

    def propose(self, ids: Sequence[int], limit: int, least: float) -> list[int]:
        """Up to `limit` tokens behind `ids`, as long as all are right with a probability of at least `least`."""
        text, probability = list(ids), 1.0
        proposed: list[int] = []
        while len(proposed) < limit and (found := self.next_token(text)) is not None:
            probability *= found[1]
            if probability < least:
                break
            proposed.append(found[0])
            text.append(found[0])
        return proposed

    def next_token(self, ids: Sequence[int]) -> tuple[int, float] | None:
        """The likeliest token behind `ids` and its share, where they end in a context that the table knows."""
        for order in ORDERS:
            if len(ids) >= order:
                key = context_key(ids[-order:], self.vocab_size)
                place = int(torch.searchsorted(self.keys_E, key))
                if place < len(self) and int(self.keys_E[place]) == key:
                    return int(self.next_ids_E[place]), float(self.shares_E[place])
        return None


def context_key(ids: Sequence[int], vocab_size: int) -> int:
    """A number for a context; those of shorter contexts lie behind those of longer ones."""
    key = 0
    for token_id in ids:
        key = key * vocab_size + token_id
    return key if len(ids) == ORDERS[0] else int(vocab_size ** ORDERS[0]) + key
