"""The tokens of a document's text beyond the prompt, line by line, so that each line is encoded once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Protocol

MOST_CHARACTERS_ABOVE = 40_000
MOST_CHARACTERS_BELOW = 20_000
"""Some 15,000 tokens in all: beyond them a document's own text is no likelier to come again than other files'."""
_KNOWN_LINES = 20_000
_KNOWN_PARTS = 8
"""Neither part changes while one types, until the window moves."""
_LONGEST_LINE = 1_000
_LINE_BREAK = re.compile(r"(?<!\n)(?=\n)")
"""Before each run of line breaks: no token of ours spans it, and few of others' do."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class _Encoder(Protocol):
    def encode(self, text: str, /) -> list[int]: ...


class Rest:
    """Of all documents: they have many lines in common."""

    def __init__(self, tokenizer: _Encoder) -> None:
        self._encode: Callable[[str], tuple[int, ...]] = lru_cache(_KNOWN_LINES)(
            lambda line: tuple(tokenizer.encode(line))
        )
        self._part: Callable[[str], tuple[int, ...]] = lru_cache(_KNOWN_PARTS)(lambda part: tuple(self._ids(part)))

    def texts(self, above: str, below: str) -> tuple[tuple[int, ...], ...]:
        """What is below the cursor, and what is above the prompt: the last one is taken to be the nearest."""
        parts = (below[:MOST_CHARACTERS_BELOW], above[-MOST_CHARACTERS_ABOVE:])
        return tuple(self._part(part) for part in parts if part)

    def _ids(self, text: str) -> Iterator[int]:
        for line in _LINE_BREAK.split(plain(text)):
            if len(line) <= _LONGEST_LINE:
                yield from self._encode(line)


def plain(text: str) -> str:
    """Text as the model learned it: `\\n` line ends, and no lone surrogates, which UTF-8 cannot spell."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)
