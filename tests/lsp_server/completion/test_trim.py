"""What is left of a model's raw text. `|` is the cursor in every document."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.completion.rules import ALL, Rules
from lsp_server.completion.snapshot import Snapshot
from lsp_server.completion.syntax import Syntax
from lsp_server.completion.trim import Trimmer
from lsp_server.settings import LengthMode

CASES = [
    # document, raw text, result, reason
    ("x = |", "1\ny = 2\n", "1", "behind complete code only the line is finished"),
    ("def f():|", "\n    return 1\n\n\ndef g():\n", "\n    return 1", "the block ends where its lines end"),
    ("    |", "a = 1\n    b = 2\nc = 3", "a = 1\n    b = 2", "a line with less indentation is outside"),
    ("x = |", "   \n", "", "blank text is no suggestion"),
    ("x = |", "", "", "nothing is no suggestion"),
    ("x = |", "1   ", "1", "white space at the end is of no use"),
    ("x = 1|", "\ny = 2\n", "", "a finished line needs nothing behind it"),
    ("f(|)", "a, b)\n", "a, b", "the closing bracket is already there"),
    ("f(|)", "g(a)", "g(a)", "a bracket the suggestion opened is its own"),
    ("f(|)", "g(a))", "g(a)", "of two closing brackets one is already there"),
    ("def f(|):", "a):\n    pass", "a", "the rest of the line is already there, lines below are not wanted"),
    ("f(|)", "x) -> int:", "x", "what follows the duplicated bracket would stand inside"),
    ("x = [|]", "1, 2]", "1, 2", "square brackets too"),
    ("x = [|]", "f(1)", "f(1)", "another kind of bracket is not compared"),
    ('x = "|"', 'abc"', "abc", "a closing quote is already there"),
    ('x = f(|"b")', '"a"', '"a"', "a closing quote the suggestion opened is its own"),
    ('f("|")', 'abc", x)', "abc", "what follows the quote that is there already would stand inside the string"),
    ('f("|")', r'a\"b", x)', r"a\"b", "an escaped quote ends no string"),
    ('f("a", "|")', 'b")', "b", "an odd number of quotes opens a string"),
    ("x = |, 'b'", "'a', 'b'", "'a'", "words and quotes that follow are already there"),
    ("a|, b", "lpha,", "lpha", "a comma too"),
    ("x = |y", "my", "my", "the end of a word is no repetition of another"),
    ("x = |  # note", "1", "1", "a comment at the right stays"),
    ("|\n    return x\n", "if x:\n    return x", "if x:", "the next line is already there"),
    ("    |\n    return x\n", "return x", "", "it only repeats the next line"),
    ("    |\n\n\n    return x\n", "return x", "", "blank lines between do not matter"),
    ("    |\nreturn x\n", "return x", "return x", "another indentation is another line"),
    ("f(|\n)\n", "\n    a,\n)", "\n    a,", "the closing line is already there"),
    ("    |\n    b\n    c\n", "a\n    b\n    c", "a", "two lines below are already there"),
    ("    |\n    b\n    c\n", "a\n    c", "a\n    c", "a later line below is no repetition of the next"),
    ("    |", "go()\n    go()\n    go()\n    go()\n", "go()", "a loop of the model is cut to one round"),
    ("x = |", "sys.path.path.path.path.path", "", "a line that loops in itself is no use from its start"),
    ("def f():|", "\n    a = 1\n    #  #  #  #  #  #", "\n    a = 1", "what stands before it stays"),
    ("|", "# ------------------------", "# ------------------------", "a ruler is no loop"),
    ("x = |", "a + a + a + a", "a + a + a + a", "four times may be meant"),
    ("x = |", "a\ufffd", "a", "half a character at the end is dropped"),
    ("x = |", "abc\x00def\nx", "abc", "nothing behind a control character is trusted"),
    ("x ) = |", "1", "1", "where the line is broken already, no text is to blame"),
    ("x = |", ") 1", "", "an error that was not there"),
    ("if x:|", "\n    a = 1\n    b = f(\n", "\n    a = 1", "the lines that are sound stay"),
    ("if x:|", "\n    a = 1\n    if b:\n", "\n    a = 1", "the head of a block that nothing follows goes"),
    ("|", "if x:", "if x:", "but where it is all there is"),
    (
        "def f():\n    return 1\n\n\n@a\n|",
        "def f():\n    return 1\n\n\n@a\n",
        "def f():\n    return 1",
        "a decorator goes too",
    ),
    ('''"""Says\n|\n"""\n''', 'a ) b"""\nx = 1', "a ) b", "in a string only as far as it goes"),
    ("a\r\nif x:|\r\nb\r\n", "\n    y\n    z\n", "\r\n    y\r\n    z", "the document's line ends are kept"),
    ("a\rif x:|\rb\r", "\n    y\n    z\n", "\r    y\r    z", "even those of old"),
    ("    |\r\n    return x\r\n", "return x", "", "line ends do not hide a repetition"),
]


def trim(raw: str, snapshot: Snapshot, length: LengthMode, *, cut_short: bool, rules: Rules = ALL) -> str:
    return Trimmer(Syntax(), rules).trim(raw, snapshot, length, cut_short=cut_short)


def at_cursor(document: str) -> Snapshot:
    offset = document.index("|")
    return Snapshot(uri="u", language="python", text=document.replace("|", "", 1), offset=offset)


@pytest.mark.parametrize(("document", "raw", "result", "reason"), CASES, ids=[case[3] for case in CASES])
def test_trim(document: str, raw: str, result: str, reason: str) -> None:
    assert trim(raw, at_cursor(document), LengthMode.BLOCK, cut_short=False) == result


@pytest.mark.parametrize(
    ("document", "raw", "result", "reason"),
    [
        ("x = |", "compute(a, ", "compute(a,", "half a line is better than none"),
        ("x = |", "1 1 (", "", "but not one that cannot be ended well any more"),
        ("def f():|", "\n    a = 1\n    b = comp", "\n    a = 1", "whole lines are better than a half one more"),
        ("def f():|", "\n    a = comp", "\n    a = comp", "unless it is the only one"),
    ],
)
def test_an_answer_that_was_cut_short(document: str, raw: str, result: str, reason: str) -> None:
    assert trim(raw, at_cursor(document), LengthMode.BLOCK, cut_short=True) == result, reason


@pytest.mark.parametrize(
    ("document", "raw", "result", "reason"),
    [
        ("x = |", "self.", "self.", "a line may want its end"),
        ("x = |", "compute(first,", "compute(first,", "and its brackets"),
        ("if x:|", "\n    a = 1\n    b =", "\n    a = 1\n    b =", "the last of several, too"),
        ("x = |", "1) +", "", "but what no end makes right is left out"),
        ("if x:|", "\n    a = 1\n    a = 1\n    b =", "\n    a = 1", "what a rule has cut is no beginning any more"),
    ],
)
def test_a_beginning_of_which_the_model_is_sure(document: str, raw: str, result: str, reason: str) -> None:
    trimmer = Trimmer(Syntax())
    assert trimmer.trim(raw, at_cursor(document), LengthMode.BLOCK, cut_short=False, is_beginning=True) == result, (
        reason
    )


@pytest.mark.parametrize(
    ("document", "raw", "result"), [("def f():|", "\n    a\n    b\n", "\n    a"), ("x = |", "1\ny", "1")]
)
def test_one_line_where_the_user_wants_lines(document: str, raw: str, result: str) -> None:
    assert trim(raw, at_cursor(document), LengthMode.LINE, cut_short=False) == result


TEXTS = st.text(alphabet="ab ()[]{}:,'\"\n\t", max_size=30)


@settings(max_examples=400, deadline=None)
@given(before=TEXTS, after=TEXTS, raw=TEXTS, length=st.sampled_from(LengthMode), cut_short=st.booleans())
def test_the_result_is_the_start_of_the_raw_text_and_never_blank(
    before: str, after: str, raw: str, length: LengthMode, cut_short: bool
) -> None:
    snapshot = Snapshot(uri="u", language="python", text=before + after, offset=len(before))
    result = trim(raw, snapshot, length, cut_short=cut_short)
    assert raw.startswith(result)
    assert result == result.rstrip()
    if snapshot.line_suffix.strip():
        assert "\n" not in result
