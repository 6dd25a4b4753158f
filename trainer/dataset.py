"""Training rows from packed tokens: windows in a new order each epoch, rearranged for filling in the middle.

A row is a pure function of (seed, row number): nothing has to be saved to go on with exactly the next row, and any
number of processes or loader workers see the same rows. Knows nothing of the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from lsp_server.errors import CorpusError
from lsp_server.model.prompt import Sentinels, training_psm, training_spm
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.packing import TokenStream

IGNORED_LABEL = -100
"""torch's own default for cross entropy."""
SHORTEST_FIM_CHARACTERS = 24
"""Shorter pieces have no middle worth learning."""
LONGEST_MIDDLE_LINES = 12
"""What a suggestion may span; the server offers no more."""
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FillInMiddle:
    """How pieces of text are rearranged, with the field's rates as defaults.

    Half of the middles are uniform in characters, half are shaped as a cursor leaves them: to the end of the line (.5),
    over several lines (.45), inside the line (.05). Sources: Bavarian et al. 2022 (arXiv 2207.14255), sections 4.2 to
    4.5, and the cursor-shaped filter of Refact's fine-tuning.
    """

    tokenizer: CodeTokenizer
    sentinels: Sentinels
    rate: float = 0.5
    spm_share: float = 0.5

    def rearrange(self, piece: Ids, random: np.random.Generator) -> Ids:
        """One document's ids (with its `<|endoftext|>`, if it got that far) as prefix, middle and suffix; or as it is.

        The result is at most as long as the piece: what the sentinels take, the suffix's far end gives.
        """
        if random.random() >= self.rate:
            return piece
        text = self.tokenizer.decode(piece.tolist())
        if len(text) < SHORTEST_FIM_CHARACTERS or "\ufffd" in text:
            return piece
        start, end = _cut_middle(text, random)
        prefix, middle, suffix = (self.tokenizer.encode(part) for part in (text[:start], text[start:end], text[end:]))
        overflow = len(prefix) + len(middle) + len(suffix) + 4 - len(piece)
        if overflow > len(suffix):
            return piece
        suffix = suffix[: len(suffix) - max(0, overflow)]
        arrange = training_spm if random.random() < self.spm_share else training_psm
        return np.asarray(arrange(self.sentinels, prefix, middle, suffix), dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows(Dataset[dict[str, torch.Tensor]]):
    """Rows without end: number n belongs to epoch n // rows_per_epoch."""

    stream: TokenStream
    row_tokens: int
    seed: int
    end_of_text: int
    fill_in_middle: FillInMiddle

    @classmethod
    def open(
        cls, folder: Path, tokenizer: CodeTokenizer, *, row_tokens: int, seed: int, fim_rate: float, spm_share: float
    ) -> Rows:
        stream = TokenStream.open(folder, "train")
        if len(stream) <= row_tokens:
            raise CorpusError(
                f"the corpus has {len(stream)} tokens, less than one row of {row_tokens}: "
                "add text or lower fit.row_tokens"
            )
        fill = FillInMiddle(tokenizer=tokenizer, sentinels=Sentinels.of(tokenizer), rate=fim_rate, spm_share=spm_share)
        return cls(
            stream=stream,
            row_tokens=row_tokens,
            seed=seed,
            end_of_text=tokenizer.end_of_text,
            fill_in_middle=fill,
        )

    @property
    def rows_per_epoch(self) -> int:
        return max(1, (len(self.stream) - 1) // self.row_tokens - 1)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        """`ids` and `labels`, each T of int64; labels are the ids one further on."""
        epoch, index = divmod(number, self.rows_per_epoch)
        shuffle = np.random.default_rng((self.seed, epoch))
        offset = int(shuffle.integers(self.row_tokens))  # windows begin elsewhere in every epoch
        window = int(_permuted(index, self.rows_per_epoch, shuffle))
        ids = self.stream.read(offset + window * self.row_tokens, self.row_tokens + 1)
        row = self._rearranged(ids, np.random.default_rng((self.seed, epoch, index)))
        labels = np.full(self.row_tokens, IGNORED_LABEL, dtype=np.int64)
        labels[: len(row) - 1] = row[1:]
        padded = np.full(self.row_tokens, self.end_of_text, dtype=np.int64)
        padded[: len(row) - 1] = row[:-1]
        return {"ids": torch.from_numpy(padded), "labels": torch.from_numpy(labels)}

    def _rearranged(self, ids: Ids, random: np.random.Generator) -> Ids:
        ends = np.flatnonzero(ids == self.end_of_text) + 1
        pieces = np.split(ids, ends)
        return np.concatenate([self.fill_in_middle.rearrange(piece, random) for piece in pieces])


def _permuted(index: int, count: int, random: np.random.Generator) -> int:
    """Where `index` lands in a random order of `range(count)`, without writing the whole order down.

    A Feistel network over the next even power of two, walked until it falls inside the range.
    Source: Black and Rogaway 2002, "Ciphers with arbitrary finite domains".
    """
    half_bits = max(1, ((count - 1).bit_length() + 1) // 2)
    mask = (1 << half_bits) - 1
    keys = [int(key) for key in random.integers(1, 2**31, size=4)]
    while True:
        left, right = index >> half_bits, index & mask
        for key in keys:
            left, right = right, left ^ (((right + key) * 0x9E3779B1 >> 7 ^ key) & mask)
        index = left << half_bits | right
        if index < count:
            return index


def _cut_middle(text: str, random: np.random.Generator) -> tuple[int, int]:
    """Start and end of the middle, in characters; never empty."""
    if random.random() < 0.5:
        start, end = sorted(int(cut) for cut in random.integers(0, len(text) + 1, size=2))
        return (start, end) if start < end else (0, len(text))
    start = int(random.integers(0, len(text) - 1))
    line_end = _line_end(text, start)
    shape = random.random()
    if shape < 0.5:
        end = line_end
    elif shape < 0.95:
        end = line_end
        for _ in range(int(random.integers(1, LONGEST_MIDDLE_LINES))):
            end = _line_end(text, end + 1)
    else:
        end = int(random.integers(start, max(line_end, start + 1))) + 1
    return start, min(max(end, start + 1), len(text))


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
