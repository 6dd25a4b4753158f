"""Where an answer is complete."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lsp_server.model.blocks import block_end, indentation, line_end

UNDECIDED = "undecided"
"""Stands in for the end where the block may still go on."""

CASES = [
    # the reason, what stands left of the cursor on its line, the text; | marks the block's end
    ("a statement ends with its line", "    return ", "left + right|\n    more"),
    ("a statement inside a call that the line closes ends with it", "    print(", "left, [1])|\n"),
    ("the rest of a line may be empty", "    return left", "|\nmore"),
    ("a def goes on over its body and ends at a lesser line", "def add(left):", "\n    return left|\nadd(1)"),
    ("a def's header may still be unwritten", "def ", "add(left):\n    return left|\nadd(1)"),
    ("a method ends where the next one begins", "    def a(self):", "\n        pass|\n\n    def b(self):\n"),
    ("a body keeps one blank line", "def f():", "\n    a = 1\n\n    b = 2|\nf()"),
    ("two blank lines end any body", "def f():", "\n    a = 1|\n\n\n    b = 2\n"),
    ("a class ends at a lesser line", "class A:", "\n    x = 1\n\n    y = 2|\nz"),
    ("an if ends before its else", "    if a:", "\n        b()|\n    else:\n        c()\n"),
    ("a bracket's closing line belongs to it", "x = [", "\n    1,\n    2,\n]|\ny"),
    ("a closing line may hold more than the bracket", "x = f(", "\n    1,\n).g()|\ny"),
    ("a bracket's closer at the end of the text may still grow", "x = f(", "\n    1,\n)", UNDECIDED),
    ("a closer behind a blank line closes something else", "if x(a):", "\n    f()|\n\n)\n"),
    ("a dict may nest", "x = {", "\n    'a': [\n        1,\n    ],\n}|\n"),
    ("a header over several lines ends with its closing line", "    def f(", "\n        a,\n    ):|\n        pass\n"),
    ("an empty line inside a function keeps its indentation", "    ", "a = 1\n    return a|\n\n\nb"),
    ("an empty line ends at a lesser line", "        ", "a = 1|\n    b = 2\n"),
    ("deeper lines belong to an empty line's block", "    ", "if a:\n        b()\n    c()|\nd"),
    ("at the top level a blank line ends it", "", "import a\nimport b|\n\nimport c\n"),
    ("a text that brings its own indentation keeps it", "", "    a = 1\n    b = 2|\nc"),
    ("blank lines before the first code are passed over", "    ", "\n\n    a = 1|\nb"),
    ("tabs indent", "\tif a:", "\n\t\tb()|\n\tc()\n"),
    ("a tab is as wide as four spaces", "    if a:", "\n\t\tb()|\n\tc()\n"),
    ("an incomplete line decides as soon as it shows its indentation", "def f():", "\n    a|\nb"),
    ("white space alone may still become anything", "def f():", "\n    a\n  ", UNDECIDED),
    ("a second blank line is none before it ends", "def f():", "\n    a\n\n  ", UNDECIDED),
    ("at the top level white space may become code", "", "a = 1\n  ", UNDECIDED),
    ("a line that goes on has no end", "    return ", "left +", UNDECIDED),
    ("a body that goes on has no end", "def f():", "\n    a = 1\n    b", UNDECIDED),
    ("nothing has no end", "def f():", "", UNDECIDED),
    ("only blank lines have no end yet", "    ", "\n\n\n", UNDECIDED),
]


@pytest.mark.parametrize(("line_prefix", "text"), [pytest.param(*case[1:3], id=case[0]) for case in CASES])
def test_block_ends_where_its_reason_says(line_prefix: str, text: str) -> None:
    end = text.find("|")

    assert block_end(line_prefix, text.replace("|", "")) == (None if end < 0 else end)


SOURCE = st.lists(
    st.sampled_from(["    ", "\t", " ", "\n", "x", "if a:", "]", ")", "}", "[", "(", "\r", "\x0c"]), max_size=14
).map("".join)


@settings(max_examples=400)
@given(line_prefix=SOURCE.map(lambda text: text.replace("\n", "")), text=SOURCE, more=SOURCE)
@example(line_prefix="x = [", text="\n1,\n]", more=" + y\n")
@example(line_prefix="    ", text="x\n\n  ", more="  x\n\n\n")
@example(line_prefix="", text="x\n  ", more="y\n")
def test_an_answer_never_changes_once_it_is_given(line_prefix: str, text: str, more: str) -> None:
    end = block_end(line_prefix, text)

    if end is not None:
        assert end <= len(text)
        assert block_end(line_prefix, text + more) == end


@pytest.mark.parametrize(
    ("text", "end"),
    [
        pytest.param("left + right\nmore", 12, id="at the first break"),
        pytest.param("\n    return 1\n", 13, id="leading breaks belong to it"),
        pytest.param("left", None, id="an unfinished line"),
        pytest.param("  \n  ", None, id="no content yet"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_line_end_is_the_first_break_behind_content(text: str, end: int | None) -> None:
    assert line_end(text) == end


def test_indentation_counts_columns() -> None:
    assert [indentation(line) for line in ("a", "  a", "\ta", "  \ta", "")] == [0, 2, 4, 4, 0]
