from __future__ import annotations

import threading

import numpy as np
import pytest

from lsp_server.recall import collections
from lsp_server.recall.collections import Collections

SECONDS = 20.0


@pytest.fixture
def kept() -> Collections:
    return Collections(gather_seconds=0.0)


def follower(kept: Collections, collection: str, context: list[int]) -> list[int]:
    index = kept.index_of(collection)
    match = index.longest_match(context) if index else None
    return list(match.next_ids) if match else []


def test_what_was_remembered_is_found_in_its_collection_only(kept: Collections) -> None:
    kept.remember("a", {"one": [1, 2, 3]})
    kept.remember("b", {"one": [1, 2, 4]})
    assert kept.settle(SECONDS)
    assert follower(kept, "a", [1, 2]) == [3]
    assert follower(kept, "b", [1, 2]) == [4]
    assert kept.index_of("c") is None


def test_a_text_takes_the_place_of_the_one_before_and_an_empty_one_takes_it_away(kept: Collections) -> None:
    kept.remember("a", {"one": [1, 2, 3], "two": [1, 2, 5]})
    kept.remember("a", {"one": [1, 2, 4], "two": []})
    assert kept.settle(SECONDS)
    assert follower(kept, "a", [1, 2]) == [4]


def test_the_last_index_answers_until_the_next_is_ready(kept: Collections, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.remember("a", {"one": [1, 2, 3]})
    assert kept.settle(SECONDS)
    go_on = threading.Event()

    class Slow(collections.SuffixIndex):
        def __init__(self, sequences: dict[str, np.ndarray]) -> None:
            go_on.wait(SECONDS)
            super().__init__(sequences)

    monkeypatch.setattr(collections, "SuffixIndex", Slow)
    kept.remember("a", {"one": [1, 2, 4]})
    assert follower(kept, "a", [1, 2]) == [3]
    go_on.set()
    assert kept.settle(SECONDS)
    assert follower(kept, "a", [1, 2]) == [4]


def test_a_forgotten_collection_is_gone_even_while_it_is_sorted(
    kept: Collections, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(collections.SuffixIndex):
        def __init__(self, sequences: dict[str, np.ndarray]) -> None:
            begun.set()
            go_on.wait(SECONDS)
            super().__init__(sequences)

    monkeypatch.setattr(collections, "SuffixIndex", Slow)
    kept.remember("a", {"one": [1, 2, 3]})
    assert begun.wait(SECONDS)
    kept.forget("a")
    go_on.set()
    assert kept.settle(SECONDS)
    assert kept.index_of("a") is None


def test_what_is_too_much_is_left_out(kept: Collections, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collections, "MOST_TOKENS", 5)
    kept.remember("a", {"one": [1, 2, 3], "two": [1, 2, 4]})
    assert kept.settle(SECONDS)
    assert follower(kept, "a", [1, 2]) == [3]
