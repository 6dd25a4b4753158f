"""A text's words and their n-grams as 64-bit hashes, in numpy throughout. Knows nothing of what they are compared with.

A word is a run of ASCII letters, digits and underscores; everything else separates. That is how BigCode's
deduplication cuts code (github.com/bigcode-project/bigcode-dataset, near_deduplication).
The same text hashes alike on every machine and in every run.
"""

from __future__ import annotations

import string

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

_WORD_BYTES = (string.ascii_letters + string.digits + "_").encode()
_MULTIPLIER = 0x9E3779B97F4A7C15
"""The golden ratio's bits: odd, so that multiplying loses nothing modulo 2^64 (Knuth, volume 3, section 6.4)."""
_MASK = 2**64 - 1
_LONGEST = 64
"""Bytes of a word that are told apart by their place; a longer one begins anew."""


def _table(*, fold_case: bool) -> Hashes:
    table = np.zeros(256, dtype=np.uint64)
    for byte in _WORD_BYTES:
        folded = chr(byte).lower() if fold_case else chr(byte)
        table[byte] = _scramble(ord(folded) + 1)
    return table


def _scramble(value: int) -> int:
    value = (value * _MULTIPLIER) & _MASK
    value ^= value >> 32
    return (value * _MULTIPLIER) & _MASK


_EXACT = _table(fold_case=False)
_FOLDED = _table(fold_case=True)
_PLACES = np.array([pow(_MULTIPLIER, place + 1, 2**64) for place in range(_LONGEST)], dtype=np.uint64)


def word_hashes(text: str, *, fold_case: bool = False) -> Hashes:
    """One hash for each word, in order."""
    codes = (_FOLDED if fold_case else _EXACT)[np.frombuffer(b" " + text.encode() + b" ", dtype=np.uint8)]
    is_word = codes != 0
    edges = np.flatnonzero(is_word[1:] != is_word[:-1])
    lengths = edges[1::2] - edges[::2]
    if not len(lengths):
        return np.zeros(0, dtype=np.uint64)
    starts = np.cumsum(lengths) - lengths
    places = np.arange(int(lengths.sum())) - np.repeat(starts, lengths)
    hashes: Hashes = np.add.reduceat(codes[is_word] * _PLACES[places % _LONGEST], starts)
    return hashes


def gram_hashes(words: Hashes, length: int) -> Hashes:
    """One hash for each run of `length` words; of fewer words, one hash for all of them."""
    if not len(words):
        return words
    length = min(length, len(words))
    count = len(words) - length + 1
    grams: Hashes = np.zeros(count, dtype=np.uint64)
    for place in range(length):
        grams = grams * np.uint64(_MULTIPLIER) + words[place : place + count]
    grams ^= grams >> np.uint64(32)
    grams *= np.uint64(_MULTIPLIER)
    return grams
