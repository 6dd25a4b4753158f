"""Any model's tokenizer.json, read so that text comes back as it went in. Knows nothing of prompts or networks.

Tokenizers of SentencePiece's kind write a space before every text, and take one off every answer. Right for a sentence,
it is wrong for code that goes on at a cursor, so both are taken out, as CodeLlama's own code does for what it fills in.
The price: the first word of a window is spelt as it is at a line's beginning, not as it is at a document's.
"""

from __future__ import annotations

import json
import string
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from lsp_server.errors import BundleError
from lsp_server.model.spelling import Spellings, last_piece

CHOOSE_ANOTHER = "choose another model"
PROBE = f" def f(a):\n\treturn  a + 1\n\n    # {string.printable[:95]} \n"
"""Every printable ASCII character, and the white space that code is made of."""
_INNER = ("normalizers", "pretokenizers", "decoders")
_Part = dict[str, Any]  # Any: a step of tokenizer.json, whose shape depends on its type


class HubTokenizer:
    """Text to ids and back. Special tokens spelt out in text are plain text."""

    def __init__(self, backend: Tokenizer, specials: Collection[str] = ()) -> None:
        """`specials` are control tokens whether or not the file says so."""
        present = [token for token in specials if backend.token_to_id(token) is not None]
        backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in present])
        backend.encode_special_tokens = True
        self._backend = backend
        added = backend.get_added_tokens_decoder()
        self.sentinel_ids = {token.content: number for number, token in added.items() if token.special}

    @classmethod
    def load(cls, path: Path, specials: Collection[str] = ()) -> HubTokenizer:
        """Raises: BundleError when the file is not a tokenizer, or one that alters text."""
        try:
            description = json.loads(path.read_text(encoding="utf-8"))
            tokenizer = cls(Tokenizer.from_str(json.dumps(_exact(description, specials))), specials)
        except Exception as error:  # the Rust library raises plain Exception for every kind of damage
            reason = " ".join(str(error).split())[:200]
            raise BundleError(f"{path} is not a readable tokenizer.json ({reason}): {CHOOSE_ANOTHER}") from error
        if tokenizer.decode(tokenizer.encode(PROBE)) != PROBE:
            raise BundleError(f"{path} alters text, so it was not made for code: {CHOOSE_ANOTHER}")
        return tokenizer

    @property
    def vocab_size(self) -> int:
        """One more than the highest id."""
        return max(self._backend.get_vocab().values()) + 1

    def token_to_id(self, token: str) -> int | None:
        number: int | None = self._backend.token_to_id(token)
        return number

    def end_with(self, ids: Collection[int]) -> None:
        """These tokens end an answer, too."""
        for number in ids:
            token = self._backend.id_to_token(number)
            if token is not None:
                self.sentinel_ids[token] = number

    def leading_ids(self) -> tuple[int, ...]:
        """What the file's own template puts before a text."""
        encoding = self._backend.encode("a", add_special_tokens=True)
        leading = encoding.special_tokens_mask.index(0)
        return tuple(encoding.ids[:leading])

    def encode(self, text: str) -> list[int]:
        """A lone surrogate, which an editor can send, becomes a question mark."""
        text = text.encode(errors="replace").decode()
        # one text as a batch: only there does the library let other threads run meanwhile, and leaves offsets out
        ids: list[int] = self._backend.encode_batch_fast([text], add_special_tokens=False)[0].ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Special tokens are left out; bytes that are no UTF-8 become U+FFFD."""
        return self._backend.decode(list(ids), skip_special_tokens=True)

    def spellings(self) -> Spellings:
        """All tokens but the special ones, as bytes."""
        return Spellings.of(self._backend, frozenset(self.sentinel_ids.values()))

    def last_piece(self, text: str) -> str:
        """The end of a text whose tokens may be others once more is written."""
        return last_piece(self._backend, text)


def _exact(description: _Part, specials: Collection[str]) -> _Part:
    """tokenizer.json without what cuts, pads or spaces a text; of the added tokens, `specials` are marked as such."""
    steps = {name: _exact_step(description.get(name)) for name in ("normalizer", "pre_tokenizer", "decoder")}
    added = [
        {**token, "special": token.get("special", False) or token.get("content") in specials}
        for token in description.get("added_tokens") or ()
    ]
    return {**description, **steps, "added_tokens": added, "truncation": None, "padding": None}


def _exact_step(step: _Part | None) -> _Part | None:
    """One step, or the steps in it, without a space at the text's beginning; None where nothing is left of it."""
    kind = None if step is None else step.get("type")
    if step is None or kind in ("Prepend", "Strip"):
        return None
    if kind == "Metaspace":
        return {
            "type": kind,
            "replacement": step["replacement"],
            "prepend_scheme": "never",
            "split": step.get("split", True),
        }
    if kind == "ByteLevel":
        return {**step, "add_prefix_space": False}
    inner = {name: [kept for each in step[name] if (kept := _exact_step(each))] for name in _INNER if name in step}
    return {**step, **inner}
