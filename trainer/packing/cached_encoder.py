"""Text to ids where there is much of it: each piece of text between two cuts is encoded once, and looked up after that.

The slow twin is `CodeTokenizer.encode`; both give the same ids (tested). Knows nothing of files or training.
"""

from __future__ import annotations

import re
from itertools import groupby

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from lsp_server.model.spelling import byte_letters
from lsp_server.model.tokenizer import PRE_TOKEN_PATTERN, CodeTokenizer

MOST_PIECES = 2**19
"""Remembered, about 100 MB; the frequent ones come first."""
LONGEST_PIECE = 64
"""Characters; longer ones are data and do not come again."""

_ASCII_PIECE = re.compile(
    r"(?:\r?\n)+[ \t]*| ?_*[A-Za-z]+| ?[0-9]{1,2}| ?[^\sA-Za-z0-9]+|[ \t]+(?!\S)|\s", flags=re.ASCII
)
"""`tokenizer.PRE_TOKEN_PATTERN` for ASCII. What letters and digits beyond it are depends on each library's Unicode."""
_LINE_START = re.compile(r"(?<![\r\n])(?=\r?\n)")
"""No piece reaches across: a run of line breaks begins one, whatever stands before."""


class CachedEncoder:
    """Encodes ASCII lines by looking their pieces up, and others as the tokenizer does. Grows with what it reads."""

    def __init__(self, tokenizer: CodeTokenizer, dtype: npt.DTypeLike) -> None:
        """A tokenizer that cuts text in another way than ours is asked for every text."""
        self._tokenizer = tokenizer
        self._dtype = np.dtype(dtype)
        self._knows_pieces = tokenizer.cuts_text_as(PRE_TOKEN_PATTERN)
        self._pieces = _Pieces(tokenizer.backend, self._dtype)

    def encode(self, text: str) -> bytes:
        """The ids as bytes of the dtype: `numpy.frombuffer` reads them."""
        if not self._knows_pieces:
            return self._encode(text)
        if text.isascii():
            return self._look_up(text)
        lines = groupby(_LINE_START.split(text), str.isascii)
        return b"".join(
            self._look_up("".join(group)) if is_ascii else self._encode("".join(group)) for is_ascii, group in lines
        )

    def _look_up(self, text: str) -> bytes:
        return b"".join(map(self._pieces.__getitem__, _ASCII_PIECE.findall(text)))

    def _encode(self, text: str) -> bytes:
        return np.asarray(self._tokenizer.encode(text), self._dtype).tobytes()


class _Pieces(dict[str, bytes]):
    """Ids of the pieces seen so far."""

    def __init__(self, backend: Tokenizer, dtype: np.dtype[np.generic]) -> None:
        super().__init__()
        self._model = backend.model
        self._dtype = dtype
        self._spelling = dict(enumerate(byte_letters()))  # of ASCII, where bytes are characters

    def __missing__(self, piece: str) -> bytes:
        tokens = self._model.tokenize(piece.translate(self._spelling))
        ids = np.asarray([token.id for token in tokens], self._dtype).tobytes()
        if len(self) < MOST_PIECES and len(piece) <= LONGEST_PIECE:
            self[piece] = ids
        return ids
