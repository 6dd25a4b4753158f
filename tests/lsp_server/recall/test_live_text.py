from __future__ import annotations

import random

from lsp_server.recall.live_text import LiveText
from lsp_server.recall.match import DEPTH, MOST_EXAMPLES


def slow_match(ids: list[int]) -> tuple[int, list[int]]:
    for length in range(min(DEPTH, len(ids)), 1, -1):
        end = ids[-length:]
        found = [ids[at + length] for at in range(len(ids) - length) if ids[at : at + length] == end]
        if found:
            return length, found
    return 0, []


def test_finds_what_a_full_search_finds_while_the_text_grows() -> None:
    source = random.Random(2)
    ids = source.choices((0, 1, 256, 70_000), k=5)
    text = LiveText([ids])
    for _ in range(400):
        match = text.longest_match()
        length, followers = slow_match(ids)
        assert (match.length if match else 0) == length
        assert list(match.next_ids if match else []) == followers[-MOST_EXAMPLES:]
        ids.append(source.choice((0, 1, 256, 70_000)))
        text.add(ids[-1])


def test_texts_do_not_run_into_each_other() -> None:
    assert LiveText([[1, 2], [3, 1, 2]]).longest_match() is None
    assert LiveText([[1, 2, 9], [3, 1, 2]]).longest_match().next_ids == [9]


def test_a_separator_follows_nothing() -> None:
    assert LiveText([[1, 2, 9, 1, 2]], separators=[9]).longest_match() is None


def test_a_copy_goes_on_by_itself() -> None:
    text = LiveText([[1, 2, 3, 1]])
    other = text.copy()
    other.add(2)
    assert other.longest_match().next_ids == [3]
    assert text.longest_match() is None


def test_of_many_copies_the_last_ones_count() -> None:
    text = LiveText([[1, 2, 3] * 100 + [1, 2, 4] * MOST_EXAMPLES + [1, 2]])
    assert text.longest_match().length > 2
    short = LiveText([[*range(10, 400), 1, 2]])
    assert short.longest_match() is None


def test_tells_how_the_latest_copy_goes_on_to_the_end_of_its_text() -> None:
    match = LiveText([[1, 2, 3, 4, 0, 8], [1, 2, 7, 1, 2]], separators=[0]).longest_match()
    assert match is not None
    assert match.continuation == [7, 1, 2]
    ends = LiveText([[1, 2, 3, 4, 0, 8], [1, 2]], separators=[0]).longest_match()
    assert ends is not None
    assert ends.continuation == [3, 4]
