from __future__ import annotations

import pytest

from lsp_server.completion import rest
from lsp_server.completion.rest import Rest
from lsp_server.model.tokenizer import CodeTokenizer

TEXT = "import os\r\n\r\n\r\ndef f(x):\r\n    return  x \n\n\n\tif x:\n# größer\n\n"


class Counting:
    """Encodes, and counts how often."""

    def __init__(self, tokenizer: CodeTokenizer) -> None:
        self._tokenizer, self.num_texts = tokenizer, 0

    def encode(self, text: str) -> list[int]:
        self.num_texts += 1
        return self._tokenizer.encode(text)


def test_the_tokens_are_those_of_the_whole_text(tokenizer: CodeTokenizer) -> None:
    merged = CodeTokenizer.train([TEXT * 4], 290)
    for encoder in (tokenizer, merged):
        (ids,) = Rest(encoder).texts(TEXT, "")
        assert list(ids) == encoder.encode(rest.plain(TEXT))


def test_what_is_above_comes_last(tokenizer: CodeTokenizer) -> None:
    texts = Rest(tokenizer).texts("above", "below")
    assert [tokenizer.decode(ids) for ids in texts] == ["below", "above"]
    assert Rest(tokenizer).texts("", "") == ()


def test_each_line_is_encoded_once(tokenizer: CodeTokenizer) -> None:
    encoder = Counting(tokenizer)
    parts = Rest(encoder)
    parts.texts("a = 1\nb = 2\n" * 100, "")
    assert encoder.num_texts == 4  # the first and the last line have other neighbours
    parts.texts("a = 1\nb = 2\n" * 100 + "c = 3", "")
    assert encoder.num_texts == 5


def test_of_a_long_document_the_part_near_the_cursor_counts(
    tokenizer: CodeTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "MOST_CHARACTERS_ABOVE", 4)
    monkeypatch.setattr(rest, "MOST_CHARACTERS_BELOW", 3)
    texts = Rest(tokenizer).texts("0123456789", "abcdefghij")
    assert [tokenizer.decode(ids) for ids in texts] == ["abc", "6789"]


def test_a_line_of_a_megabyte_is_left_out(tokenizer: CodeTokenizer) -> None:
    (ids,) = Rest(tokenizer).texts("a\n" + "x" * 2_000 + "\nb", "")
    assert tokenizer.decode(ids) == "a\nb"
