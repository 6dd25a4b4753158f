"""Counting against a dictionary."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from lsp_server.model.ngrams import ORDERS
from trainer import ngrams
from trainer.ngrams import LEAST_COUNT, LEAST_SHARE, count_ngrams
from trainer.packing import TokenStream

VOCAB = 12
SENTINELS = frozenset({0, 1})


def stream_of(ids: list[int]) -> TokenStream:
    return TokenStream(shards=(np.asarray(ids, dtype=np.uint16),), starts=(0, len(ids)))


def plain_counts(ids: list[int]) -> dict[tuple[int, ...], tuple[set[int], float]]:
    """The slow twin: each context's likeliest next tokens and their share."""
    counts: dict[tuple[int, ...], Counter[int]] = {}
    for order in ORDERS:
        for place in range(len(ids) - order):
            *context, following = ids[place : place + order + 1]
            if not SENTINELS & {*context, following}:
                counts.setdefault(tuple(context), Counter())[following] += 1
    found = {}
    for context_ids, followers in counts.items():
        most = max(followers.values())
        share = most / followers.total()
        if most >= LEAST_COUNT and share >= LEAST_SHARE:
            found[context_ids] = ({each for each, count in followers.items() if count == most}, share)
    return found


def test_the_table_is_what_a_plain_count_gives() -> None:
    generator = random.Random(1)
    ids: list[int] = []
    for _ in range(4000):
        ids.append((ids[-1] * 7 + 3) % VOCAB if ids and generator.random() < 0.6 else generator.randrange(VOCAB))
    expected = plain_counts(ids)
    table = count_ngrams(stream_of(ids), VOCAB, SENTINELS)
    assert len(table) == len(expected) > 20
    for context, (likeliest, share) in expected.items():
        found = table.next_token(context)
        assert found is not None
        assert found[0] in likeliest
        assert found[1] == pytest.approx(share, abs=1e-3)


def test_the_most_used_entries_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams, "MAX_ENTRIES", 1)
    table = count_ngrams(stream_of([2, 3, 4, 0] * 10 + [5, 6, 7, 0] * 20), VOCAB, SENTINELS)
    assert len(table) == 1
    assert table.propose([5, 6], 1, 0.5) == [7]


@pytest.mark.parametrize("ids", [[], [2], [0, 0, 0, 0, 0], [2, 3, 4]], ids=["empty", "one", "sentinels", "rare"])
def test_a_corpus_without_habits_gives_an_empty_table(ids: list[int]) -> None:
    table = count_ngrams(stream_of(ids), VOCAB, SENTINELS)
    assert len(table) == 0
    assert table.propose([2, 3], 4, 0.1) == []
