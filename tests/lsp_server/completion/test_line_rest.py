"""A suggestion between what stands left and right of the cursor. `|` is the cursor."""

from __future__ import annotations

import pytest

from lsp_server.completion.brackets import read
from lsp_server.completion.line_rest import closers_missing, within_string, without_line_suffix, without_spare_closers

CLOSERS = [
    # line, text, result, reason
    ("f(|)", "a)", "a", "the closing bracket is already there"),
    ("f(g(|)", "a))", "a)", "of two that are open, one is closed already"),
    ("f(g(|))", "a))", "a", "both are closed already"),
    ("f(g(|", "a))", "a))", "nothing is closed yet"),
    ("f(|)", "g(a)", "g(a)", "a bracket that the text opened is its own"),
    ("f(|]", "a)", "a)", "another kind of bracket is no repetition"),
    ("# see (|)", "here)", "here", "brackets come in pairs in prose"),
    ("x = f'{|}'", "a}'", "a", "and in strings"),
    ("    |)", "a)", "a", "a bracket of an earlier line is closed here"),
]


@pytest.mark.parametrize(("line", "text", "result", "reason"), CLOSERS, ids=[case[3] for case in CLOSERS])
def test_without_spare_closers(line: str, text: str, result: str, reason: str) -> None:
    prefix, rest = line.split("|")
    assert without_spare_closers(text, prefix, rest, "python") == result


@pytest.mark.parametrize(
    ("line", "text", "result", "reason"),
    [
        ('x = "|"', 'abc", 1', "abc", "the string is closed already"),
        ('x = "|"', r"a\"b", r"a\"b", "an escaped quote ends no string"),
        ("x = '|'", 'a"b', 'a"b', "nor does another quote"),
        ("# it's |'", "a'b", "a'b", "an apostrophe opens no string in a comment"),
        ('x = """|"""', 'a "b" c"""', 'a "b" c', "tripled quotes are one mark"),
        ('x = "a" + |"b"', '"c" + ', '"c" + ', "the cursor is in no string"),
    ],
)
def test_within_string(line: str, text: str, result: str, reason: str) -> None:
    prefix, suffix = line.split("|")
    assert within_string(text, prefix, suffix, "python") == result, reason


@pytest.mark.parametrize(
    ("text", "rest", "result", "reason"),
    [
        ("lpha, beta", "beta", "lpha, ", "words that follow"),
        ("my", "y", "my", "the end of a word is no repetition of another"),
        ("a == b:", ":", "a == b", "a colon"),
        ("a", "", "a", "nothing follows"),
    ],
)
def test_without_line_suffix(text: str, rest: str, result: str, reason: str) -> None:
    assert without_line_suffix(text, rest) == result, reason


@pytest.mark.parametrize(
    ("line", "num_before", "closers", "reason"),
    [
        ("f(a, [1", 8, "])", "what was open before is closed"),
        ("f(a, [1", 3, ")", "what is opened later is not"),
        ("f(a)  # (", 2, "", "a comment opens nothing"),
        ("x = 'a(", 8, "'", "nor does a string"),
        ("x = 'a\\'(", 10, "'", "with an escaped quote in it"),
    ],
)
def test_closers_missing(line: str, num_before: int, closers: str, reason: str) -> None:
    assert closers_missing(line, "python", num_before) == closers, reason


def test_a_string_of_one_line_ends_with_it() -> None:
    assert read("x = 'a\ny = (", "python").quote == ""
    assert read('x = """a\ny = (', "python").quote == '"""'


def test_comments_begin_as_the_language_says() -> None:
    assert read("x = 1  # (", "python").in_comment
    assert not read("x = 1  # (", "javascript").in_comment
    assert read("x = 1  // (", "javascript").in_comment
    assert not read("x = 1  # a\n", "python").in_comment
