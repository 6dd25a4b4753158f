"""Counted models against dictionaries, and as what they claim to be: distributions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.ladder.counting import (
    DISCOUNT_WITHOUT_RARE_GRAMS,
    AddOneBigram,
    BackOff,
    CountedModel,
    contexts_of,
    distribution,
    document_nats,
)

VOCAB = 7
END = 0
DOCUMENTS = st.lists(st.lists(st.integers(1, VOCAB - 1), min_size=1, max_size=14), min_size=1, max_size=8)


def packed(documents: Sequence[Sequence[int]]) -> np.ndarray:
    return np.asarray([token for document in documents for token in (*document, END)], dtype=np.int64)


class PlainBackOff:
    """The slow twin: interpolated Kneser-Ney from dictionaries, one context at a time."""

    def __init__(self, ids: Sequence[int], order: int) -> None:
        self.counts: dict[int, dict[tuple[int, ...], Counter[int]]] = {}
        longest: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for *context, token in _grams(ids, order + 1):
            longest[tuple(context)][token] += 1
        self.counts[order] = longest
        for shorter in range(order - 1, -1, -1):
            level: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
            for context, followers in self.counts[shorter + 1].items():
                for token in followers:
                    level[context[1:]][token] += 1
            for *context, token in _grams(ids, shorter + 1) if shorter else ():
                if context[0] == END:
                    level[tuple(context)][token] += 1
            self.counts[shorter] = level

    def probability(self, context: tuple[int, ...], token: int) -> float:
        shorter = self.probability(context[1:], token) if context else 1 / VOCAB
        level = self.counts[len(context)]
        if context not in level:
            return shorter
        once, twice = (
            sum(count == times for followers in level.values() for count in followers.values()) for times in (1, 2)
        )
        discount = once / (once + 2 * twice) if once else DISCOUNT_WITHOUT_RARE_GRAMS
        followers = level[context]
        kept = max(followers[token] - discount, 0) / sum(followers.values())
        return kept + discount * len(followers) / sum(followers.values()) * shorter


def _grams(ids: Sequence[int], length: int) -> Iterator[Sequence[int]]:
    for place in range(len(ids) - length + 1):
        gram = ids[place : place + length]
        if END not in gram[1:-1]:
            yield gram


@given(DOCUMENTS, st.integers(1, 3))
def test_back_off_is_what_dictionaries_give(documents: list[list[int]], order: int) -> None:
    ids = packed(documents)
    model = BackOff.count(ids, VOCAB, order=order, end_of_text=END)
    twin = PlainBackOff(ids.tolist(), model.order)

    text = [END, *documents[0], 1, 2]
    for end in range(1, len(text)):
        start = max(0, end - model.order)
        expected = [twin.probability(tuple(text[start:end]), token) for token in range(VOCAB)]
        np.testing.assert_allclose(distribution(model, text[start:end]), expected, atol=1e-12)


@given(DOCUMENTS, st.integers(1, 3), st.lists(st.integers(0, VOCAB - 1), max_size=4))
def test_each_distribution_sums_to_one(documents: list[list[int]], order: int, context: list[int]) -> None:
    ids = packed(documents)
    models: list[CountedModel] = [
        AddOneBigram.count(ids, VOCAB),
        BackOff.count(ids, VOCAB, order=order, end_of_text=END),
    ]
    for model in models:
        values = distribution(model, context)
        assert values.sum() == pytest.approx(1, abs=1e-12)
        assert (values > 0).all(), "whatever was never seen can still come"


def test_add_one_is_the_count_plus_one() -> None:
    model = AddOneBigram.count(packed([[1, 2, 1, 2, 1, 3]]), VOCAB)
    assert distribution(model, [1])[2] == 3 / (3 + VOCAB)
    assert distribution(model, [1])[5] == 1 / (3 + VOCAB)
    assert distribution(model, [6])[1] == 1 / VOCAB
    assert model.num_counts == len(["1 2", "2 1", "1 3", "3 end"])


def test_a_documents_cost_is_the_product_of_its_tokens() -> None:
    training = packed([[1, 2, 3, 1, 2, 4], [1, 2, 3, 3]])
    document = np.asarray([END, 1, 2, 3, 5])
    for model in (AddOneBigram.count(training, VOCAB), BackOff.count(training, VOCAB, order=3, end_of_text=END)):
        product = 1.0
        for place in range(1, len(document)):
            product *= distribution(model, document[max(0, place - model.order) : place].tolist())[document[place]]
        assert document_nats(model, document) == pytest.approx(-np.log(product))


def test_contexts_begin_with_nothing_and_end_before_the_token() -> None:
    assert contexts_of(np.asarray([0, 4, 5, 6]), 2).tolist() == [[-1, 0], [0, 4], [4, 5]]


def test_no_gram_reaches_across_a_documents_end() -> None:
    model = BackOff.count(packed([[1, 2]] * 9 + [[3, 4]] * 9), VOCAB, order=3, end_of_text=END)
    assert distribution(model, [2, END])[1] == pytest.approx(distribution(model, [END])[1])


def test_the_order_falls_where_its_contexts_have_no_number() -> None:
    ids = np.asarray([5, 6, 7, 0] * 4, dtype=np.int64)
    assert BackOff.count(ids, 2**22, order=3, end_of_text=0).order == 2
