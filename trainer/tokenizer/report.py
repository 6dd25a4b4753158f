"""How well a vocabulary fits: measured on held-out text, beside GPT-2's way of cutting text. Trains nothing."""

from __future__ import annotations

import keyword
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from lsp_server.model.tokenizer import CodeTokenizer
from trainer.corpus import Document
from trainer.corpus.filters import is_test

NUM_LISTED = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How many tokens some text takes."""

    num_bytes: int = 0
    num_characters: int = 0
    num_tokens: int = 0
    gpt2_tokens: int = 0
    """With GPT-2's cuts; 0 where there was too little text to learn as many tokens."""

    def __add__(self, other: Fit) -> Fit:
        return Fit(
            num_bytes=self.num_bytes + other.num_bytes,
            num_characters=self.num_characters + other.num_characters,
            num_tokens=self.num_tokens + other.num_tokens,
            gpt2_tokens=self.gpt2_tokens + other.gpt2_tokens,
        )

    @property
    def characters_per_token(self) -> float:
        return self.num_characters / max(1, self.num_tokens)

    @property
    def gpt2_characters_per_token(self) -> float | None:
        return self.num_characters / self.gpt2_tokens if self.gpt2_tokens else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerReport:
    """How well the vocabulary fits."""

    vocab_size: int
    sample_bytes: int
    """Text that the merges were learnt from."""
    measured_on: str
    """`heldout`, or `train` where the corpus holds nothing out."""
    bytes_per_token: float
    characters_per_token: float
    gpt2_characters_per_token: float | None
    """The same trainer, text and size with GPT-2's cuts. GPT-2's own vocabulary is not at hand."""
    by_kind: dict[str, Fit]
    """`tests`, and the other files by their endings."""
    keyword_share: float
    """Of Python's keywords, those that are one token at a line's start or behind a space."""
    split_keywords: tuple[str, ...]
    longest_tokens: tuple[str, ...]
    last_tokens: tuple[str, ...]
    """Learnt last, so the rarest: data among them says that the corpus holds too much of it."""
    corpus_hash: str

    def text(self) -> str:
        """The report as a person reads it."""
        split = f", not {' '.join(self.split_keywords)}" if self.split_keywords else ""
        lines = [
            f"{self.vocab_size:,} tokens, learnt from {self.sample_bytes / 1e6:,.1f} MB",
            f"on {self.measured_on} text: {self.bytes_per_token:.2f} bytes a token",
            "",
            f"{'characters a token':<20}{'ours':>8}{'GPT-2 cuts':>12}{'text':>12}",
            *(_line(kind, fit) for kind, fit in [("all", sum(self.by_kind.values(), Fit())), *self.by_kind.items()]),
            "(GPT-2's cuts with our trainer, text and size: its own vocabulary is another)",
            "",
            f"keywords as one token: {self.keyword_share:.0%}{split}",
            f"longest: {' '.join(map(repr, self.longest_tokens))}",
            f"learnt last: {' '.join(map(repr, self.last_tokens))}",
        ]
        return "\n".join(lines) + "\n"


def _line(kind: str, fit: Fit) -> str:
    peer = fit.gpt2_characters_per_token
    gpt2 = "-" if peer is None else f"{peer:.2f}"
    return f"{kind:<20}{fit.characters_per_token:>8.2f}{gpt2:>12}{fit.num_bytes / 1e6:>9.2f} MB"


def measure_by_kind(documents: Iterable[Document], ours: CodeTokenizer, gpt2: CodeTokenizer | None) -> dict[str, Fit]:
    """How many tokens the documents take, by kind, the largest first."""
    kinds: defaultdict[str, Fit] = defaultdict(Fit)
    for document in documents:
        kinds[kind_of(document.path)] += Fit(
            num_bytes=len(document.text.encode()),
            num_characters=len(document.text),
            num_tokens=len(ours.encode(document.text)),
            gpt2_tokens=len(gpt2.encode(document.text)) if gpt2 is not None else 0,
        )
    return dict(sorted(kinds.items(), key=lambda item: (-item[1].num_bytes, item[0])))


def kind_of(path: str) -> str:
    """`tests`, or the file's ending."""
    return "tests" if is_test(path) else PurePosixPath(path).suffix or "without ending"


def split_keywords(tokenizer: CodeTokenizer) -> tuple[str, ...]:
    """Python's keywords that are more than one token, both at a line's start and behind a space."""
    return tuple(word for word in keyword.kwlist if min(len(tokenizer.encode(text)) for text in (word, f" {word}")) > 1)


def listed_tokens(tokenizer: CodeTokenizer) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The longest tokens and those learnt last, as text; ids are in the order of learning."""
    texts = [tokenizer.decode([number]) for number in range(tokenizer.vocab_size)]
    longest = sorted(texts, key=lambda text: (-len(text), text))[:NUM_LISTED]
    return tuple(longest), tuple(texts[-NUM_LISTED:])
