"""The index against a search that looks at every token."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from lsp_server.recall.match import CONTINUATION, DEPTH, MOST_EXAMPLES, SHORTEST_MATCH
from lsp_server.recall.suffix_index import SuffixIndex


def arrays(sequences: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray]:
    return {name: np.asarray(ids, dtype=np.uint32) for name, ids in sequences.items()}


def slow_match(sequences: Mapping[str, Sequence[int]], context: Sequence[int], hidden: str) -> tuple[int, list[int]]:
    for length in range(min(DEPTH, len(context)), SHORTEST_MATCH - 1, -1):
        end = list(context[-length:])
        found = [
            ids[at + length]
            for name, ids in sequences.items()
            if name != hidden
            for at in range(len(ids) - length)
            if list(ids[at : at + length]) == end
        ]
        if found:
            return length, sorted(found)
    return 0, []


@pytest.mark.parametrize("vocabulary", [(0, 1, 300, 65_534), (7, 70_000, 150_000)], ids=["two bytes", "four bytes"])
def test_finds_what_a_full_search_finds(vocabulary: tuple[int, ...]) -> None:
    source = random.Random(1)
    sequences = {str(name): source.choices(vocabulary, k=200) for name in range(4)}
    index = SuffixIndex(arrays(sequences))
    for _ in range(300):
        name = source.choice(list(sequences))
        end = source.randrange(1, 200)
        context = sequences[name][:end] if source.random() < 0.7 else source.choices(vocabulary, k=end)
        hidden = name if source.random() < 0.5 else ""
        match = index.longest_match(context, hidden)
        length, followers = slow_match(sequences, context, hidden)
        assert (match.length if match else 0) == length
        if match and len(followers) < MOST_EXAMPLES // 2:
            assert sorted(match.next_ids) == followers


def test_a_match_never_crosses_from_one_sequence_to_the_next() -> None:
    index = SuffixIndex(arrays({"a": [1, 2, 3], "b": [4, 5, 6]}))
    assert index.longest_match([2, 3, 4]) is None
    assert index.longest_match([3, 4, 5]).length == SHORTEST_MATCH


def test_of_very_many_copies_only_some_are_looked_at() -> None:
    index = SuffixIndex(arrays({"a": [1, 2, 3] * 10_000}))
    match = index.longest_match([1, 2])
    assert set(match.next_ids) == {3}
    assert len(match.next_ids) <= MOST_EXAMPLES + 1


def test_the_only_copy_outside_the_hidden_text_is_found_among_thousands_within() -> None:
    for number in range(4):
        hidden = [1, 2, 3] * 5_000
        index = SuffixIndex(arrays({"a": [7] * number + [1, 2, 4], "hidden": hidden}))
        match = index.longest_match([9, 1, 2], "hidden")
        assert match is not None
        assert match.next_ids == [4]


@pytest.mark.parametrize("sequences", [{}, {"a": []}, {"a": [5]}], ids=["no text", "an empty text", "one token"])
def test_too_little_text_matches_nothing(sequences: dict[str, list[int]]) -> None:
    index = SuffixIndex(arrays(sequences))
    assert index.num_tokens == sum(map(len, sequences.values()))
    assert index.longest_match([5, 5]) is None
    assert index.longest_match([]) is None


def test_tells_how_the_usual_copy_goes_on_to_the_end_of_its_sequence() -> None:
    long = list(range(100, 100 + 2 * CONTINUATION))
    index = SuffixIndex(arrays({"one": [1, 2, 3, 4], "two": [1, 2, 3], "three": [1, 2, 9], "long": [5, 6, *long]}))
    usual, cut = index.longest_match([1, 2]), index.longest_match([5, 6])
    assert usual is not None
    assert usual.continuation in ([3, 4], [3])
    assert cut is not None
    assert cut.continuation == long[:CONTINUATION]
