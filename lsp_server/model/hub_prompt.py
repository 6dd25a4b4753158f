"""The prompt of a model from the Hub, laid out as its family was trained.

    with a family:     [bos] <prefix> prefix <suffix> suffix <middle>   ->  middle
    without, or at the end of a text:   [bos] prefix                    ->  what follows

The suffix stands behind what is typed, so a cache holds good up to the cursor, and the suffix is read anew for each
keystroke; hence the small budget for it. Knows nothing of tokenizers, editors or tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

NEW_SHARE = SUFFIX_SHARE = 8
"""One token in eight of the window for the answer, one for the suffix, as the embedded model nearly has it."""
MOST_NEW_TOKENS = 256
MOST_SUFFIX_TOKENS = 128
"""What the engine reads in one step. At every keystroke one core of an AMD EPYC takes 0.4 s over it with GPT-2 small,
1.4 s with Qwen2.5 0.5B's shape (fp32, transformers 5.23)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FimIds:
    """The ids of a family's three tokens."""

    prefix: int
    suffix: int
    middle: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PsmPrompts:
    """Builds prompts for one model; in tokens."""

    context_tokens: int
    """The whole window: prompt and answer."""
    bos: tuple[int, ...]
    """What the tokenizer puts before every text."""
    fim: FimIds | None
    """None: the model sees the prefix only."""
    blank: int
    """Stands for a text without a single token: a network must be asked something."""
    answer_tokens: int | None = None
    """Kept free for the answer; None is a share of the window."""

    @property
    def new_tokens(self) -> int:
        """Kept free for the answer."""
        if self.answer_tokens is not None:
            return self.answer_tokens
        return min(MOST_NEW_TOKENS, self.context_tokens // NEW_SHARE)

    def with_new_tokens(self, new_tokens: int) -> PsmPrompts:
        """The same prompts with that much room for the answer, at most half the window."""
        return replace(self, answer_tokens=max(1, min(new_tokens, self.context_tokens // 2)))

    @property
    def suffix_tokens(self) -> int:
        return 0 if self.fim is None else min(MOST_SUFFIX_TOKENS, self.context_tokens // SUFFIX_SHARE)

    @property
    def prefix_tokens(self) -> int:
        """The most prefix that always fits."""
        num_sentinels = len(self.bos) + (0 if self.fim is None else 3)
        return self.context_tokens - self.new_tokens - self.suffix_tokens - num_sentinels

    def build(self, *, prefix: Sequence[int], suffix: Sequence[int] = ()) -> tuple[int, ...]:
        """Each part is cut to its budget at the end that lies far from the cursor."""
        suffix = tuple(suffix)[: self.suffix_tokens]
        room = self.context_tokens - self.new_tokens - len(self.bos)
        if self.fim is None or not suffix:
            return (*self.bos, *_last(prefix, room)) or (self.blank,)
        behind = (self.fim.suffix, *suffix, self.fim.middle)
        return (*self.bos, self.fim.prefix, *_last(prefix, room - len(behind) - 1), *behind)


def _last(ids: Sequence[int], count: int) -> Sequence[int]:
    return ids[max(0, len(ids) - count) :]
