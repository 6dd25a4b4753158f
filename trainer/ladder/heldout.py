"""The text that every rung is scored on: held-out documents, each token once, from `<|endoftext|>` on.

Shape suffixes: R rows of a batch, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from lsp_server.errors import CorpusError
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.config import Recipe
from trainer.corpus import read_documents
from trainer.evaluate.figures import draw_documents
from trainer.evaluate.likelihood import windows
from trainer.ngrams import Ids

ROWS_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Documents as ids, the `<|endoftext|>` before each included, which is given and not scored."""

    documents: tuple[Ids, ...]
    num_bytes: int

    @classmethod
    def open(cls, recipe: Recipe, run_dir: Path, tokenizer: CodeTokenizer) -> HeldOut:
        """Whole documents up to `evaluate.max_bytes`. Raises: CorpusError when nothing was held out."""
        documents = draw_documents(read_documents(run_dir / "corpus", "heldout"), recipe.evaluate.max_bytes)
        texts = [document.text.replace("\r\n", "\n") for document in documents]
        encoded = [ids for ids in tokenizer.encode_batch(texts) if ids]
        if not encoded:
            raise CorpusError("the held-out text is empty: name corpus.heldout_sources or raise corpus.heldout_share")
        return cls(
            documents=tuple(np.asarray([tokenizer.end_of_text, *ids], dtype=np.int64) for ids in encoded),
            num_bytes=sum(len(text.encode()) for text in texts),
        )

    @property
    def num_tokens(self) -> int:
        return sum(len(ids) - 1 for ids in self.documents)

    def perplexity(self, nats: float) -> float:
        """A token: how many equally likely ones the model hesitates between."""
        return exp(nats / self.num_tokens)

    def bits_per_byte(self, nats: float) -> float:
        """Comparable between vocabularies, unlike perplexity."""
        return nats / log(2) / self.num_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """Ids that are read at once, and how many at their end are scored."""

    ids: Ids
    num_scored: int


@torch.no_grad()
def network_nats(network: nn.Module, documents: Sequence[Ids], context_tokens: int) -> float:
    """What the documents cost a network; each token sees at least half a window before it, where there is that much.

    The windows of `trainer.evaluate.likelihood`, several at once.
    """
    network.eval()
    cut = [
        _Window(ids=ids[start:end], num_scored=num_scored)
        for ids in documents
        for start, end, num_scored in windows(len(ids), context_tokens)
    ]
    cut.sort(key=_length)
    total = 0.0
    with tqdm(total=len(cut), desc="held out", unit="window", delay=2) as progress:
        for first in range(0, len(cut), ROWS_AT_ONCE):
            rows = cut[first : first + ROWS_AT_ONCE]
            total += _row_nats(network, rows)
            progress.update(len(rows))
    return total


def _length(window: _Window) -> int:
    return len(window.ids)


def _row_nats(network: nn.Module, windows: Sequence[_Window]) -> float:
    """Rows are filled up behind their ends, where a causal network does not look."""
    device = next(network.parameters()).device
    longest = max(map(_length, windows))
    ids_RT = torch.zeros(len(windows), longest, dtype=torch.int64)
    is_scored_RT = torch.zeros(len(windows), longest - 1, dtype=torch.bool)
    for row, window in enumerate(windows):
        length = len(window.ids)
        ids_RT[row, :length] = torch.from_numpy(window.ids)
        is_scored_RT[row, length - 1 - window.num_scored : length - 1] = True
    ids_RT, is_scored_RT = ids_RT.to(device), is_scored_RT.to(device)
    logits_RTV = network(ids_RT[:, :-1]).float()
    return F.cross_entropy(logits_RTV[is_scored_RT], ids_RT[:, 1:][is_scored_RT], reduction="sum").item()
