"""How a vocabulary's tokens are spelt, in bytes, and where the last piece of a text begins. Knows no network.

Two kinds of tokenizer.json are known: byte-level BPE, whose tokens are letters that stand for bytes, and that of
SentencePiece, with `▁` for a space and `<0x0A>` for a byte that no token has.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection

from tokenizers import Tokenizer

MOST_PIECE_CHARACTERS = 64
"""Of a piece that is asked for again: a longer one is left as it stands."""
_TAIL_CHARACTERS = 256
"""Text that is cut into pieces to find the last one."""
_BYTE_TOKEN = re.compile("<0x([0-9A-F]{2})>")
_AFTER_ALL_BYTES = b"\xff" * 64


def byte_letters() -> list[str]:
    """How byte-level BPE spells each of the 256 bytes: as itself where that can be seen, else as a letter from U+0100.

    Source: `bytes_to_unicode` of GPT-2's encoder.
    """
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = sorted(set(range(256)) - set(visible))
    codes = {byte: byte for byte in visible} | {byte: 0x100 + place for place, byte in enumerate(hidden)}
    return [chr(codes[byte]) for byte in range(256)]


class Spellings:
    """The tokens of a vocabulary that spell something, in the order of their bytes."""

    def __init__(self, tokens: Collection[tuple[bytes, int]]) -> None:
        ordered = sorted(tokens)
        self._spelt = [content for content, _ in ordered]
        self._ids = [number for _, number in ordered]

    @classmethod
    def of(cls, backend: Tokenizer, silent_ids: Collection[int]) -> Spellings:
        """Read a tokenizer's vocabulary; `silent_ids` are control tokens."""
        vocabulary: dict[str, int] = backend.get_vocab()
        codes = {letter: byte for byte, letter in enumerate(byte_letters())}
        is_byte_level = codes.keys() <= vocabulary.keys()
        tokens = []
        for token, number in vocabulary.items():
            if number in silent_ids:
                continue
            is_spelt_in_letters = is_byte_level and all(letter in codes for letter in token)
            content = bytes(codes[letter] for letter in token) if is_spelt_in_letters else _plain(token)
            tokens.append((content, number))
        return cls([each for each in tokens if each[0]])

    def spelt(self, content: bytes) -> int | None:
        """The token that is spelt so."""
        place = bisect_left(self._spelt, content)
        return self._ids[place] if place < len(self._spelt) and self._spelt[place] == content else None

    def beginning_with(self, head: bytes) -> list[int]:
        """Ids of all tokens whose bytes begin with `head`."""
        first = bisect_left(self._spelt, head)
        return self._ids[first : bisect_left(self._spelt, head + _AFTER_ALL_BYTES, lo=first)]


def last_piece(backend: Tokenizer, text: str) -> str:
    """The end of a text whose tokens may be others once more is written: what the tokenizer cuts as one piece.

    A tokenizer that does not cut, or a very long piece: the text of its last token.
    """
    tail = text[-_TAIL_CHARACTERS:]
    encoding = backend.encode(tail, add_special_tokens=False)
    if not encoding.ids:
        return ""
    words, offsets = encoding.word_ids, encoding.offsets
    first = next(place for place, word in enumerate(words) if word == words[-1])
    starts = (offsets[first][0], offsets[-1][0])
    return next((tail[start:] for start in starts if len(tail) - start <= MOST_PIECE_CHARACTERS), "")


def _plain(token: str) -> bytes:
    byte = _BYTE_TOKEN.fullmatch(token)
    return bytes([int(byte[1], 16)]) if byte else token.replace("▁", " ").encode()
