"""Where a suggestion says again what has been said."""

from __future__ import annotations

import pytest

from lsp_server.completion.repetition import first_known_below, first_repeated, loops_in_itself

LOOPS = [
    # lines, lines above, first repeated one, reason
    (["a = 1", "b = 2", "c = 3"], [], None, "nothing is said twice"),
    (["a = 1", "a = 1"], [], 1, "a line behind itself"),
    (["a = 1", "    a = 1"], [], None, "with another indentation it is another line"),
    (["if a:", "    b()", "else:", "    c()", "else:", "    c()"], [], 4, "a round of two lines"),
    (["f()", "g()", "", "f()", "", "g()"], [], 3, "blank lines do not count"),
    (["f()  ", "f()"], [], 1, "nor does white space at a line's end"),
    (["),", "),"], [], None, "marks may be needed twice"),
    (["f()", "h()", "f()"], [], None, "half a second round is none"),
    (["f()"], ["f()"], 0, "the line above is said again"),
    (["def f():", "    g()"], ["@cached", "def f():", "    g()", "@cached"], 0, "a round that the lines above began"),
    (["return x"], ["return x", "y = 1"], None, "a line further above may be meant"),
    (["ok()", "x(1, 2, 3, x(1, 2, 3, x(1, 2, 3, "], [], 1, "a line that loops in itself"),
]


@pytest.mark.parametrize(("lines", "above", "number", "reason"), LOOPS, ids=[case[3] for case in LOOPS])
def test_first_repeated(lines: list[str], above: list[str], number: int | None, reason: str) -> None:
    assert first_repeated(lines, above) == number


@pytest.mark.parametrize(
    ("line", "loops", "reason"),
    [
        ("sys.path.path.path.path.path", True, "five times a few characters"),
        ("a + a + a + a", False, "four times may be meant"),
        ("x.startswith(b'') and x.startswith(b'') and x.startswith(b'') and ", True, "three times more characters"),
        ("first(1, 2), second(1, 2)", False, "no loop"),
        ("-" * 60, False, "a ruler"),
        (" " * 60 + "x", False, "indentation"),
    ],
)
def test_loops_in_itself(line: str, loops: bool, reason: str) -> None:
    assert loops_in_itself(line) is loops, reason


def test_of_a_line_of_a_megabyte_the_end_is_searched() -> None:
    assert loops_in_itself("a" * 1_000_000 + "b.path.path.path.path.path")


@pytest.mark.parametrize(
    ("lines", "below", "number", "reason"),
    [
        (["a", "b"], ["b", "c"], 1, "the next line below"),
        (["a", "c"], ["b", "c"], None, "a later line below is not the next one"),
        (["a", "b"], ["", "b"], 1, "blank lines between do not matter"),
        (["a", "", "    b"], ["b"], None, "another indentation is another line"),
        (["else:", "    x()"], ["else:", "    y()"], 0, "however it goes on there"),
        (["@a"], ["@a", "def f():"], None, "a decorator alone may be another function's"),
        (["@a", "def f():"], ["@a", "def f():"], 0, "with its function it is known"),
        (["a"], [], None, "nothing is below"),
        (["a", ""], [""], None, "a blank line is nothing to be known"),
    ],
)
def test_first_known_below(lines: list[str], below: list[str], number: int | None, reason: str) -> None:
    assert first_known_below(lines, below) == number, reason
