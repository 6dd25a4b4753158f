"""Text to ids and back, whatever the text."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from lsp_server.errors import BundleError, CorpusError
from lsp_server.model.spelling import byte_letters
from lsp_server.model.tokenizer import MIN_VOCAB_SIZE, SENTINELS, CodeTokenizer

LINES = "".join(f"    if value_{number}:\n        return {number}\n" for number in range(40))
LEARNT = CodeTokenizer.train([LINES], 320)
"""A constant, because hypothesis's tests take no function-scoped fixtures."""


@given(st.text())
@example("\x00 \x0c \x0b \x1c \x85 \u2028 \ufeff")
@example("a\r\n\r\n\tb\r c\n\r\n")
@example("\ufffd\U0001f99c e\u0301 \u3000x")
@example("".join(SENTINELS))
@example("   \n \n\t \n")
def test_any_text_round_trips(text: str) -> None:
    assert LEARNT.decode(LEARNT.encode(text)) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_ids_are_those_of_the_librarys_plain_encoding(text: str) -> None:
    assert LEARNT.encode(text) == LEARNT.backend.encode(text, add_special_tokens=False).ids


def test_other_threads_run_while_a_long_text_is_encoded() -> None:
    """A server answers keystrokes while it reads the user's files."""
    has_begun, is_over = threading.Event(), threading.Event()
    num_turns = 0

    def count() -> None:
        nonlocal num_turns
        while not is_over.is_set():
            num_turns += 1
            has_begun.set()
            time.sleep(0)

    counter = threading.Thread(target=count)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)  # from here on, threads take turns only where one gives its own away
    try:
        counter.start()
        has_begun.wait()
        num_before = num_turns
        LEARNT.encode(LINES * 200)
        num_after = num_turns
    finally:
        is_over.set()
        sys.setswitchinterval(interval)
        counter.join()
    assert num_after > num_before


@given(st.binary())
@example(bytes(range(256)))
@example(b"\xed\xa0\x80 \xc3(caf\xc3\xa9\xff<|endoftext|>")
def test_any_bytes_round_trip(content: bytes) -> None:
    ids = LEARNT.encode_bytes(content)

    assert LEARNT.decode_bytes(ids) == content
    assert not set(ids) & set(LEARNT.sentinel_ids.values())


@given(st.text())
def test_bytes_of_text_are_encoded_as_the_text(text: str) -> None:
    assert LEARNT.encode_bytes(text.encode()) == LEARNT.encode(text)


@given(st.lists(st.sampled_from([*SENTINELS, "<|", "|>", "fim_prefix", " ", "\n", "x"])))
def test_sentinels_spelled_in_text_stay_text(parts: list[str]) -> None:
    ids = LEARNT.encode("".join(parts))

    assert not set(ids) & set(LEARNT.sentinel_ids.values())


def test_sentinels_are_the_first_ids_and_are_left_out_of_text() -> None:
    assert list(LEARNT.sentinel_ids.values()) == [0, 1, 2, 3, 4]
    assert LEARNT.decode([0, *LEARNT.encode("x"), 4]) == "x"


def test_a_batch_is_encoded_as_its_texts_are() -> None:
    texts = ["if value_1:", "", "<|endoftext|>\n"]

    assert list(LEARNT.encode_batch(texts)) == [LEARNT.encode(text) for text in texts]


def test_bytes_that_are_no_utf8_become_replacement_characters() -> None:
    first_byte_of_two = LEARNT.encode("\u00e9")[:1]

    assert LEARNT.decode(first_byte_of_two) == "\ufffd"
    assert LEARNT.decode_bytes(first_byte_of_two) == b"\xc3"


@pytest.mark.parametrize("text", ["lone \ud800 surrogate", "\udfff"])
def test_a_lone_surrogate_is_encoded_as_a_question_mark(text: str) -> None:
    assert LEARNT.decode(LEARNT.encode(text)) == text.encode(errors="replace").decode()


def test_bytes_are_spelled_as_the_library_spells_them() -> None:
    assert sorted(byte_letters()) == sorted(pre_tokenizers.ByteLevel.alphabet())
    assert LEARNT.encode("\x00")[0] == LEARNT.backend.token_to_id(byte_letters()[0])


def test_digits_come_at_most_two_at_a_time() -> None:
    tokenizer = CodeTokenizer.train(["1234567 1234567 " * 50], MIN_VOCAB_SIZE + 3)

    pieces = [tokenizer.decode([number]) for number in tokenizer.encode("1234567")]

    assert pieces == ["12", "34", "56", "7"]


def test_a_line_break_and_the_indentation_behind_it_are_one_token() -> None:
    breaks = [LEARNT.decode([number]) for number in LEARNT.encode("if value_1:\n        return 1\n    if value_2")]

    assert "\n        " in breaks
    assert "\n    " in breaks


def test_a_saved_tokenizer_loads_as_the_same(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    LEARNT.save(path)

    loaded = CodeTokenizer.load(path)

    text = LINES + "".join(SENTINELS) + "\u00e9"
    assert loaded.encode(text) == LEARNT.encode(text)
    assert loaded.vocab_size == LEARNT.vocab_size == 320


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.unlink(), id="missing"),
        pytest.param(lambda path: path.write_text(path.read_text()[:-100]), id="truncated"),
        pytest.param(lambda path: path.write_bytes(b"\xff\x00"), id="not text"),
        pytest.param(lambda path: path.write_text("{}"), id="JSON of something else"),
        pytest.param(
            lambda path: path.write_text(path.read_text().replace("<|fim_middle|>", "<|other|>")), id="no sentinel"
        ),
    ],
)
def test_a_damaged_file_is_named_on_one_line(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "tokenizer.json"
    LEARNT.save(path)
    assert callable(damage)
    damage(path)

    with pytest.raises(BundleError) as caught:
        CodeTokenizer.load(path)

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_corpus_too_small_for_the_vocabulary_is_refused() -> None:
    with pytest.raises(CorpusError, match=r"yields 26\d tokens, not 5000: lower vocab_size or add text"):
        CodeTokenizer.train(["ab ab"], 5000)


def test_a_vocabulary_smaller_than_the_bytes_is_refused() -> None:
    with pytest.raises(CorpusError, match="vocab_size is 100: 256 bytes and the sentinels alone need 261"):
        CodeTokenizer.train(["ab"], 100)
