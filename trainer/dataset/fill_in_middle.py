"""Text rearranged so that a model learns to fill in the middle. Knows nothing of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lsp_server.model.prompt import Sentinels, training_psm, training_spm
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.packing import CachedEncoder

SHORTEST_CHARACTERS = 24
"""Shorter pieces have no middle worth learning."""
LONGEST_MIDDLE_LINES = 12
"""What a suggestion may span; the server offers no more."""
LONGEST_CHARACTER_BYTES = 4
"""In UTF-8; so many tokens at most hold the parts of one character."""
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FillInMiddle:
    """How pieces of text are rearranged, with the field's rates as defaults.

    Half of the middles are uniform in characters, half are shaped as a cursor leaves them: to the end of the line (.5),
    over several lines (.45), inside the line (.05). Sources: Bavarian et al. 2022 (arXiv 2207.14255), sections 4.2 to
    4.5, and the cursor-shaped filter of Refact's fine-tuning.
    """

    tokenizer: CodeTokenizer
    encoder: CachedEncoder
    """The tokenizer's, for ids of 32 bits."""
    sentinels: Sentinels
    rate: float = 0.5
    spm_share: float = 0.5
    character_spans: float = 0.5

    @classmethod
    def of(
        cls, tokenizer: CodeTokenizer, *, rate: float = 0.5, spm_share: float = 0.5, character_spans: float = 0.5
    ) -> FillInMiddle:
        return cls(
            tokenizer=tokenizer,
            encoder=CachedEncoder(tokenizer, np.int32),
            sentinels=Sentinels.of(tokenizer),
            rate=rate,
            spm_share=spm_share,
            character_spans=character_spans,
        )

    def rearrange(self, piece: Ids, random: np.random.Generator) -> Ids:
        """One document's ids (with its `<|endoftext|>`, if it got that far) as prefix, middle and suffix; or as it is.

        The result is at most as long as the piece: what the sentinels take, the suffix's far end gives. No character
        is cut, neither at the middle's ends nor at the suffix's.
        """
        if random.random() >= self.rate:
            return piece
        text = self.tokenizer.decode(piece.tolist())
        if len(text) < SHORTEST_CHARACTERS or "\ufffd" in text:
            return piece
        start, end = cut_middle(text, random, self.character_spans)
        prefix, middle, suffix = map(self._encode, (text[:start], text[start:end], text[end:]))
        overflow = len(prefix) + len(middle) + len(suffix) + 4 - len(piece)
        if overflow > len(suffix):
            return piece
        if overflow > 0:
            suffix = self._whole_characters(suffix[: len(suffix) - overflow])
        arrange = training_spm if random.random() < self.spm_share else training_psm
        return np.asarray(arrange(self.sentinels, prefix, middle, suffix), dtype=np.int64)

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = np.frombuffer(self.encoder.encode(text), np.int32).tolist()
        return ids

    def _whole_characters(self, ids: list[int]) -> list[int]:
        """Leave out the tokens at the end that hold only the beginning of a character."""
        for end in range(len(ids), max(-1, len(ids) - LONGEST_CHARACTER_BYTES), -1):
            if not self.tokenizer.decode(ids[max(0, end - LONGEST_CHARACTER_BYTES) : end]).endswith("\ufffd"):
                return ids[:end]
        return []


def cut_middle(text: str, random: np.random.Generator, character_spans: float) -> tuple[int, int]:
    """Start and end of the middle, in characters; never empty."""
    if random.random() < character_spans:
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
