from __future__ import annotations

from collections.abc import Callable

import pytest

from trainer.evaluate.baselines import copy, ngram, xz_bits_per_byte
from trainer.evaluate.tasks import Task
from trainer.task_kinds import Kind


def task(before: str, after: str, kind: Kind = "line") -> Task:
    return Task(kind=kind, source="a", path="a.py", before=before, target="?", after=after)


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
    assert copy(task(before, after)) == expected, reason


def test_copy_prefers_the_longer_match_wherever_it_stands() -> None:
    before = "foo(1)\nbar = foo("
    assert copy(task(before, "\nbar = foo(3)\n")) == "3)"


BLOCKS = "for a in b:\n    use(a)\n    go()\nend()\n"


@pytest.mark.parametrize("answer", [copy, ngram])
def test_a_copied_block_ends_where_the_block_does(answer: Callable[[Task], str]) -> None:
    assert answer(task(BLOCKS + "for a in b:\n    ", "\n", "block")) == "use(a)\n    go()"


@pytest.mark.parametrize("answer", [copy, ngram])
def test_a_copied_span_ends_where_the_text_behind_the_hole_begins(answer: Callable[[Task], str]) -> None:
    assert answer(task("x = [first, second, third]\ny = [first, ", "third]\n", "span")) == "second, "


@pytest.mark.parametrize(
    ("before", "after", "expected", "reason"),
    [
        ("a = f(x, 1)\nb = f(x, ", "\n", "1)", "what followed the same words"),
        ("f(x, 1)\nf(x, 2)\nf(x, 2)\nf(x, ", "\n", "2)", "the most frequent one"),
        ("f(x, 1)\nf(x, 2)\nf(x, ", "\n", "2)", "of equally frequent ones the last"),
        ("q = 1\nz", "\n", "", "a word that never came before"),
        ("g(a, 1)\nh(a, ", "\nh(a, 2)\n", "2)", "a longer context beats a nearer one"),
        ("", "\n", "", "no word to go on from"),
    ],
)
def test_the_6_gram_follows_the_longest_context_it_knows(before: str, after: str, expected: str, reason: str) -> None:
    assert ngram(task(before, after)) == expected, reason


def test_the_6_gram_cannot_see_across_the_hole() -> None:
    assert ngram(task("a ", "x\n")) == ""


def test_the_6_gram_ends_in_a_loop() -> None:
    assert len(ngram(task("a a a a a ", "", "span"))) < 1000


def test_repeated_text_compresses_to_almost_nothing_and_each_file_counts_by_itself() -> None:
    text = "def f(x):\n    return x\n" * 500
    alone = xz_bits_per_byte([text])
    assert alone < 0.2
    assert xz_bits_per_byte([text, text]) == pytest.approx(alone)
