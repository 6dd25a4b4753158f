"""The prompt's layout, for training and for serving alike: what the server asks is the start of what training showed.

    serving, SPM:   [<|file_sep|>path\\n code ...] <|fim_prefix|><|fim_suffix|> suffix <|fim_middle|> prefix  ->  middle
    training, SPM:  <|fim_prefix|><|fim_suffix|> suffix <|fim_middle|> prefix middle <|endoftext|>
    training, PSM:  <|fim_prefix|> prefix <|fim_suffix|> suffix <|fim_middle|> middle <|endoftext|>

The suffix comes first so that typing extends the prompt at its end and the KV cache stays valid.
Source: Bavarian et al. 2022 (arXiv 2207.14255), section 3.1, SPM variant 2. Knows nothing of editors or of tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Protocol

from lsp_server.errors import PromptError
from lsp_server.model import tokenizer as vocabulary

NUM_SPM_SENTINELS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentinels:
    """The ids that shape a prompt."""

    end_of_text: int
    fim_prefix: int
    fim_suffix: int
    fim_middle: int
    file_separator: int

    @classmethod
    def of(cls, tokenizer: vocabulary.CodeTokenizer) -> Sentinels:
        return cls(**{entry.name: getattr(tokenizer, entry.name) for entry in fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptLayout:
    """How the model's window is shared out, in tokens. The prefix gets what the others leave."""

    context_tokens: int
    """The whole window: prompt and answer."""
    new_tokens: int
    """Kept free for the answer."""
    suffix_tokens: int
    neighbour_tokens: int = 0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if type(value) is not int:
                raise PromptError(f"prompt budget {name} is {value!r}: give a whole number of tokens")
        if min(self.new_tokens, self.context_tokens) < 1 or min(self.suffix_tokens, self.neighbour_tokens) < 0:
            raise PromptError(f"prompt budgets must not be negative: {asdict(self)}")
        if self.prefix_tokens < 1:
            raise PromptError(f"prompt budgets leave no token for the prefix: {asdict(self)}")

    @property
    def prefix_tokens(self) -> int:
        """The most prefix that always fits."""
        taken = self.new_tokens + self.suffix_tokens + self.neighbour_tokens + NUM_SPM_SENTINELS
        return self.context_tokens - taken

    @property
    def prompt_tokens(self) -> int:
        """The longest prompt that leaves `new_tokens` free."""
        return self.context_tokens - self.new_tokens

    @classmethod
    def from_json(cls, values: Mapping[str, int]) -> PromptLayout:
        try:
            return cls(**values)
        except TypeError as error:
            raise PromptError(f"prompt layout {values!r} is not understood: {error}") from error


class PromptBuilder(Protocol):
    """How one model is asked: its budgets in tokens, and the prompt. The pipeline knows no more of a model's layout."""

    @property
    def context_tokens(self) -> int:
        """The whole window: prompt and answer."""
        ...

    @property
    def prefix_tokens(self) -> int:
        """The most prefix that always fits."""
        ...

    @property
    def suffix_tokens(self) -> int: ...

    @property
    def new_tokens(self) -> int:
        """Kept free for the answer."""
        ...

    def with_new_tokens(self, new_tokens: int) -> PromptBuilder:
        """The same prompts with that much room for the answer, at most half the window."""
        ...

    def build(self, *, prefix: Sequence[int], suffix: Sequence[int] = ()) -> tuple[int, ...]:
        """The prompt; never empty, each part cut at the end that lies far from the cursor."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SpmPrompts:
    """Prompts of our own models."""

    sentinels: Sentinels
    layout: PromptLayout

    @property
    def context_tokens(self) -> int:
        return self.layout.context_tokens

    @property
    def prefix_tokens(self) -> int:
        return self.layout.prefix_tokens

    @property
    def suffix_tokens(self) -> int:
        return self.layout.suffix_tokens

    @property
    def new_tokens(self) -> int:
        return self.layout.new_tokens

    def with_new_tokens(self, new_tokens: int) -> SpmPrompts:
        """The suffix keeps its budget, or half of what the answer leaves; nothing is kept for neighbours."""
        context_tokens = self.context_tokens
        new_tokens = max(1, min(new_tokens, context_tokens // 2))
        suffix_tokens = min(self.suffix_tokens, (context_tokens - new_tokens) // 2)
        layout = replace(self.layout, new_tokens=new_tokens, suffix_tokens=suffix_tokens, neighbour_tokens=0)
        return replace(self, layout=layout)

    def build(self, *, prefix: Sequence[int], suffix: Sequence[int] = ()) -> tuple[int, ...]:
        return build_prompt(self.sentinels, self.layout, prefix=prefix, suffix=suffix)


def build_prompt(
    sentinels: Sentinels,
    layout: PromptLayout,
    *,
    prefix: Sequence[int],
    suffix: Sequence[int] = (),
    neighbours: Sequence[int] = (),
) -> tuple[int, ...]:
    """The serving prompt; each part is cut to its budget at the end that lies far from the cursor.

    With no suffix it is plain left-to-right text behind an `<|endoftext|>`, as a document begins in training.
    """
    neighbours = tuple(neighbours)[: layout.neighbour_tokens]
    suffix = tuple(suffix)[: layout.suffix_tokens]
    head = (*neighbours, sentinels.fim_prefix, sentinels.fim_suffix, *suffix, sentinels.fim_middle)
    if not suffix:
        head = (*neighbours, sentinels.end_of_text)
    room = layout.prompt_tokens - len(head)
    return head + tuple(prefix)[max(0, len(prefix) - room) :]


def training_spm(
    sentinels: Sentinels, prefix: Sequence[int], middle: Sequence[int], suffix: Sequence[int]
) -> list[int]:
    head = [sentinels.fim_prefix, sentinels.fim_suffix, *suffix, sentinels.fim_middle]
    return [*head, *prefix, *middle, sentinels.end_of_text]


def training_psm(
    sentinels: Sentinels, prefix: Sequence[int], middle: Sequence[int], suffix: Sequence[int]
) -> list[int]:
    head = [sentinels.fim_prefix, *prefix, sentinels.fim_suffix, *suffix, sentinels.fim_middle]
    return [*head, *middle, sentinels.end_of_text]
