"""The buffer against a slow twin that works on one string, character by character."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.protocol.text_buffer import Encoding, TextBuffer, split_lines

ALPHABET = "ab\n\r\f\v\x85\u2028é漢😀\t "
TEXTS = st.text(alphabet=ALPHABET, max_size=40) | st.text(alphabet=st.characters(), max_size=20)
POSITIONS = st.tuples(st.integers(0, 12), st.integers(0, 12))
EDITS = st.lists(st.tuples(POSITIONS, POSITIONS, TEXTS), max_size=6)


def twin_width(character: str, encoding: Encoding) -> int:
    point = ord(character)
    if encoding is Encoding.UTF32:
        return 1
    if encoding is Encoding.UTF16:
        return 1 + (point > 0xFFFF)
    return 1 + (point > 0x7F) + (point > 0x7FF) + (point > 0xFFFF)


def twin_offset(text: str, position: tuple[int, int], encoding: Encoding) -> int:
    """Walk from the start of the text, as the specification reads."""
    line, column = position
    index = 0
    while line:
        while index < len(text) and text[index] not in "\r\n":
            index += 1
        if index == len(text):
            return index
        index += 2 if text.startswith("\r\n", index) else 1
        line -= 1
    while index < len(text) and text[index] not in "\r\n" and column >= twin_width(text[index], encoding):
        column -= twin_width(text[index], encoding)
        index += 1
    return index


@pytest.mark.parametrize("encoding", list(Encoding))
@settings(max_examples=300, deadline=None)
@given(text=TEXTS, edits=EDITS, probe=POSITIONS)
def test_edits_and_offsets_agree_with_the_slow_twin(
    encoding: Encoding,
    text: str,
    edits: list[tuple[tuple[int, int], tuple[int, int], str]],
    probe: tuple[int, int],
) -> None:
    buffer = TextBuffer(text, encoding)
    for start, end, new in edits:
        buffer.replace(start, end, new)
        first = twin_offset(text, start, encoding)
        last = max(first, twin_offset(text, end, encoding))
        text = text[:first] + new + text[last:]
        assert buffer.lines == tuple(split_lines(text))
    assert buffer.text == text
    assert buffer.offset(probe) == twin_offset(text, probe, encoding)


@pytest.mark.parametrize("encoding", list(Encoding))
@settings(max_examples=200, deadline=None)
@given(text=TEXTS, data=st.data())
def test_an_offset_turned_into_a_position_comes_back(encoding: Encoding, text: str, data: st.DataObject) -> None:
    buffer = TextBuffer(text, encoding)
    offset = data.draw(st.integers(0, len(text)))
    inside_line_end = text[max(0, offset - 1) : offset + 1] == "\r\n"
    position = buffer.position(offset)
    assert buffer.contains(position) or inside_line_end
    assert buffer.offset(position) == offset - inside_line_end


@pytest.mark.parametrize(
    ("text", "lines", "reason"),
    [
        ("", [""], "an empty document has one line"),
        ("a\n", ["a\n", ""], "a final line end opens an empty line"),
        ("a\r\nb\rc\nd", ["a\r\n", "b\r", "c\n", "d"], "the three line ends of the protocol"),
        ("a\fb\vc\x85d\u2028e", ["a\fb\vc\x85d\u2028e"], "no other character ends a line"),
    ],
)
def test_lines_are_split_as_the_protocol_says(text: str, lines: list[str], reason: str) -> None:
    assert split_lines(text) == lines, reason


@pytest.mark.parametrize(
    ("encoding", "column"), [(Encoding.UTF8, 4), (Encoding.UTF16, 2), (Encoding.UTF32, 1)], ids=lambda value: str(value)
)
def test_a_column_behind_an_emoji_is_counted_in_the_editors_units(encoding: Encoding, column: int) -> None:
    buffer = TextBuffer("😀x", encoding)
    assert buffer.offset((0, column)) == 1
    assert buffer.position(1) == (0, column)


@pytest.mark.parametrize(
    ("position", "inside", "reason"),
    [
        ((0, 2), True, "behind the last character"),
        ((0, 3), False, "between the line's text and the next line"),
        ((1, 0), True, "the empty last line"),
        ((2, 0), False, "below the document"),
    ],
)
def test_positions_outside_the_document_are_told_apart(position: tuple[int, int], inside: bool, reason: str) -> None:
    assert TextBuffer("ab\r\n").contains(position) is inside, reason


@pytest.mark.parametrize(
    ("text", "start", "end", "new", "lines", "reason"),
    [
        ("a\rb", (1, 0), (1, 0), "\n", ["a\r\n", "b"], "a new \\n joins the \\r above"),
        ("a\rb\nc", (1, 0), (1, 1), "", ["a\r\n", "c"], "what stood between \\r and \\n is deleted"),
        ("a\nb", (0, 1), (0, 1), "\r", ["a\r\n", "b"], "a new \\r joins the \\n behind it"),
        ("a\r\nb", (0, 1), (1, 0), "", ["ab"], "both halves go together"),
        ("a\r\nb", (0, 9), (0, 9), "x", ["ax\r\n", "b"], "nothing gets between the halves"),
    ],
)
def test_carriage_returns_and_line_feeds_meet_and_part(
    text: str, start: tuple[int, int], end: tuple[int, int], new: str, lines: list[str], reason: str
) -> None:
    buffer = TextBuffer(text)
    buffer.replace(start, end, new)
    assert buffer.lines == tuple(lines), reason


def test_a_lone_surrogate_is_kept_and_counted() -> None:
    buffer = TextBuffer("\ud800x", Encoding.UTF16)
    buffer.replace((0, 1), (0, 2), "y")
    assert buffer.text == "\ud800y"
