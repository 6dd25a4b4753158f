"""The byte-level BPE tokenizer for code: pre-tokenisation, sentinels and file. Knows nothing of prompts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from lsp_server.errors import BundleError, CorpusError
from lsp_server.model.spelling import Spellings, byte_letters, last_piece

END_OF_TEXT = "<|endoftext|>"
FIM_PREFIX = "<|fim_prefix|>"
FIM_SUFFIX = "<|fim_suffix|>"
FIM_MIDDLE = "<|fim_middle|>"
FILE_SEPARATOR = "<|file_sep|>"
SENTINELS = (END_OF_TEXT, FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE, FILE_SEPARATOR)
"""In this order they are the first ids of every vocabulary."""

PRE_TOKEN_PATTERN = (
    r"(?:\r?\n)+[ \t]*"  # a line break is one with the indentation after it: Enter in an editor types exactly this
    r"| ?_*\p{L}+"  # a word, with the space and the underscores before it: snake_case splits before each underscore
    r"| ?\p{N}{1,2}"  # two digits at most: in bits per byte 2 beat 1 and 3 at 32k. Source: nanochat, dev/LOG.md
    r"| ?[^\s\p{L}\p{N}]+"  # punctuation
    r"|[ \t]+(?!\S)"  # a run of spaces leaves its last one to the word behind it
    r"|\s"
)
"""How text is cut before merges; merges never cross these pieces.

Characters a token on held-out packages, learnt from 18 MB of Python, 16,384 tokens: this 3.806; GPT-2's cuts 3.640.
With one thing changed: 1 digit 3.786, 3 digits 3.807, any number 3.811 (two learn best, see above); a line break
apart from the indentation behind it 3.467, and several breaks together 3.517; underscores apart from the word 3.647.
Left out although they save tokens: one mark with the word behind it, as in cl100k, 3.931, and up to four words with the
spaces between them, as in FLCC, 4.297. With them `foo.` and `print(` end in a token that training shows before no name,
and these are the places where a suggestion is asked for.
"""

_NO_UTF8 = re.compile("([\udc80-\udcff]+)")
"""What `surrogateescape` makes of bytes that are no UTF-8."""

NUM_BYTES = 256
MIN_VOCAB_SIZE = NUM_BYTES + len(SENTINELS)


class CodeTokenizer:
    """Text to ids and back, exact for any Unicode text and for any bytes. Total: nothing is refused.

    Sentinels that are spelled out in text are plain text, never sentinels.
    """

    def __init__(self, backend: Tokenizer) -> None:
        self._backend = backend
        self._backend.encode_special_tokens = True
        self.sentinel_ids = {token: _sentinel_id(backend, token) for token in SENTINELS}
        self.end_of_text = self.sentinel_ids[END_OF_TEXT]
        self.fim_prefix = self.sentinel_ids[FIM_PREFIX]
        self.fim_suffix = self.sentinel_ids[FIM_SUFFIX]
        self.fim_middle = self.sentinel_ids[FIM_MIDDLE]
        self.file_separator = self.sentinel_ids[FILE_SEPARATOR]

    @classmethod
    def load(cls, path: Path) -> CodeTokenizer:
        """Raises: BundleError when the file is not a tokenizer of ours."""
        try:
            return cls(Tokenizer.from_str(path.read_text(encoding="utf-8")))
        except BundleError as error:
            raise BundleError(f"{path}: {error}") from error
        except Exception as error:  # the Rust library raises plain Exception for every kind of damage
            raise BundleError(
                f"{path} is not a readable tokenizer.json ({_one_line(error)}): train it again"
            ) from error

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int, pattern: str = PRE_TOKEN_PATTERN) -> CodeTokenizer:
        """Learn the merges; another pattern is for comparison. Raises: CorpusError when the texts give fewer tokens."""
        if vocab_size < MIN_VOCAB_SIZE:
            raise CorpusError(f"vocab_size is {vocab_size}: 256 bytes and the sentinels alone need {MIN_VOCAB_SIZE}")
        backend = _new_backend(pattern)
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=[AddedToken(token, special=True, normalized=False) for token in SENTINELS],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        backend.train_from_iterator(_without_empty(texts), trainer)
        if backend.get_vocab_size() < vocab_size:
            size = backend.get_vocab_size()
            raise CorpusError(f"the corpus yields {size} tokens, not {vocab_size}: lower vocab_size or add text")
        return cls(backend)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(json.loads(self._backend.to_str()), ensure_ascii=False), encoding="utf-8")

    @property
    def vocab_size(self) -> int:
        return self._backend.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        """A lone surrogate, which an editor can send, becomes a question mark."""
        text = text.encode(errors="replace").decode()
        # one text as a batch: only there does the library let other threads run meanwhile, and leaves offsets out
        ids: list[int] = self._backend.encode_batch_fast([text], add_special_tokens=False)[0].ids
        return ids

    def encode_batch(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Several texts on all cores."""
        for encoding in self._backend.encode_batch_fast(list(texts), add_special_tokens=False):
            yield encoding.ids

    @property
    def backend(self) -> Tokenizer:
        """The library's own object, for what handles text in bulk."""
        return self._backend

    def cuts_text_as(self, pattern: str) -> bool:
        """Whether text is cut by this pattern, before merges, and by nothing else."""
        mine, other = (json.loads(backend.to_str()) for backend in (self._backend, _new_backend(pattern)))
        return all(mine[part] == other[part] for part in ("normalizer", "pre_tokenizer"))

    def encode_bytes(self, content: bytes) -> list[int]:
        """Any bytes at all, valid UTF-8 as `encode` does it, and one token for each byte that is none."""
        letters = byte_letters()
        ids: list[int] = []
        for part in _NO_UTF8.split(content.decode(errors="surrogateescape")):
            if _NO_UTF8.match(part):
                ids += self._ids_of(letters[ord(character) - 0xDC00] for character in part)
            else:
                ids += self.encode(part)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Sentinels are left out; bytes that are no UTF-8 become U+FFFD."""
        return self._backend.decode(list(ids), skip_special_tokens=True)

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """The inverse of `encode_bytes`. Sentinels are left out."""
        codes = {letter: code for code, letter in enumerate(byte_letters())}
        sentinels = set(self.sentinel_ids.values())
        tokens = (self._backend.id_to_token(number) or "" for number in ids if number not in sentinels)
        return bytes(codes[letter] for token in tokens for letter in token)

    def spellings(self) -> Spellings:
        """All tokens but the sentinels, as bytes."""
        return Spellings.of(self._backend, frozenset(self.sentinel_ids.values()))

    def last_piece(self, text: str) -> str:
        """The end of a text whose tokens may be others once more is written."""
        return last_piece(self._backend, text)

    def _ids_of(self, letters: Iterable[str]) -> list[int]:
        """Bytes as tokens of their own, which every vocabulary of bytes has."""
        numbers = [self._backend.token_to_id(letter) for letter in letters]
        return [number for number in numbers if number is not None]


def _new_backend(pattern: str = PRE_TOKEN_PATTERN) -> Tokenizer:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    return backend


def _sentinel_id(backend: Tokenizer, token: str) -> int:
    number: int | None = backend.token_to_id(token)
    if number is None:
        raise BundleError(f"the tokenizer has no {token}: train it with `parrotlet-train tokenizer`")
    return number


def _without_empty(texts: Iterable[str]) -> Iterator[str]:
    return (text for text in texts if text)


def _one_line(error: Exception) -> str:
    return str(error).replace("\n", " ")[:200]
