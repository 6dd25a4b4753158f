from __future__ import annotations

import pytest

from trainer.evaluate.baselines import copy_line, xz_bits_per_byte


@pytest.mark.parametrize(
    ("before", "after", "expected", "reason"),
    [
        ("total = left + right\nresult = left + ", "", "right", "what followed the longest match above"),
        ("x = f(1)\nx = f(2)\ny = f(", "", "2)", "of equal matches the last one wins"),
        ("value = par", "\nother = parse(text)\n", "se(text)", "the text below counts too"),
        ("alpha beta\nz", "", "", "nothing like it in this file"),
        ("", "a = 1\n", "", "an empty text has no match"),
    ],
)
def test_copies_what_followed_the_longest_match(before: str, after: str, expected: str, reason: str) -> None:
    assert copy_line(before, after) == expected, reason


def test_copy_prefers_the_longer_match_wherever_it_stands() -> None:
    before = "foo(1)\nbar = foo("
    assert copy_line(before, "\nbar = foo(3)\n") == "3)"


def test_repeated_text_compresses_to_almost_nothing_and_each_file_counts_by_itself() -> None:
    text = "def f(x):\n    return x\n" * 500
    alone = xz_bits_per_byte([text])
    assert alone < 0.2
    assert xz_bits_per_byte([text, text]) == pytest.approx(alone)
