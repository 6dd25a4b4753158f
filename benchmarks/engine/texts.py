"""The prompts of the benchmark, from Python's standard library, which every machine has. Knows no engine.

Two kinds: slices of its tokens that grow as if typed, for timing a network of any weights; and cursor places in its
files as the language server would ask for them, for what depends on the text.
"""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lsp_server.completion.snapshot import Snapshot
from lsp_server.completion.window import Windows
from lsp_server.model.bundle import Bundle
from lsp_server.model.tokenizer import CodeTokenizer

Tokens = tuple[int, ...]
FILE_BYTES = range(8_000, 80_000)
"""Long enough to fill a window, short enough that no single file makes up the sample."""
TYPED_TOKENS = (1, 1, 2)
"""What one typed character adds, in turn: mostly it begins or extends the last token, sometimes it splits it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A cursor in a file: what the server asked before its last character was typed, and what it asks now."""

    earlier: Tokens
    prompt: Tokens


class TextSource:
    """Random slices of the standard library's tokens; two hardly ever begin alike."""

    def __init__(self, tokenizer: CodeTokenizer, num_files: int, rng: random.Random) -> None:
        self._rng = rng
        files = library_texts()
        rng.shuffle(files)
        self._ids = tuple(token for ids in tokenizer.encode_batch(files[:num_files]) for token in ids)

    def draw(self, num_tokens: int) -> Tokens:
        start = self._rng.randrange(len(self._ids) - num_tokens)
        return self._ids[start : start + num_tokens]


def library_texts() -> list[str]:
    """The middle-sized modules of the standard library, in the order of their names."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    return [file.read_text(encoding="utf-8") for file in files if file.stat().st_size in FILE_BYTES]


def typed_prompts(text: Tokens, context: int, count: int) -> list[Tokens]:
    """`count` prompts, the first of `context` tokens, each longer by what a typed character adds."""
    prompts, length = [], context
    for number in range(count):
        prompts.append(text[:length])
        length += TYPED_TOKENS[number % len(TYPED_TOKENS)]
    return prompts


def typed_length(context: int, count: int) -> int:
    """Tokens of text that `typed_prompts` needs."""
    return context + sum(TYPED_TOKENS[number % len(TYPED_TOKENS)] for number in range(count))


def code_places(bundle: Bundle, texts: Sequence[str], rng: random.Random) -> Iterator[Place]:
    """Cursor places without end, each in a random one of these files behind a random character of its code."""
    windows = Windows(tokenizer=bundle.load_tokenizer(), prompts=bundle.prompts)
    while True:
        text = rng.choice(texts)
        cursor = rng.randrange(len(text) // 4, len(text))
        earlier, prompt = (_ask(windows, text, cursor, typed) for typed in (cursor - 1, cursor))
        if len(prompt) > 1 and prompt != earlier:  # inside a word nothing would have to be read
            yield Place(earlier=earlier, prompt=prompt)


def _ask(windows: Windows, text: str, cursor: int, typed: int) -> Tokens:
    """The prompt when the cursor's line is written up to `typed` and the lines below it stand already."""
    line_end = text.find("\n", cursor)
    below = "" if line_end < 0 else text[line_end:]
    uri = f"{len(text)}:{cursor}"
    return windows.prompt(Snapshot(uri=uri, language="python", text=text[:typed] + below, offset=typed)).ids
