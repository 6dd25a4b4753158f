"""Which tokens share a pass: every token is read once and in order, and nothing is larger than its shape."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.engine.buckets import BUCKETS, LONG, ROWS, SHORT, Bucket, plan
from lsp_server.engine.decoding import PREFILL_TOKENS
from lsp_server.engine.static_backend import DRAFT_TOKENS

lengths_of_spans = st.lists(st.integers(1, 300), min_size=1, max_size=20)


@given(lengths_of_spans)
def test_every_token_is_read_once_and_in_order(lengths: list[int]) -> None:
    read: dict[int, list[int]] = defaultdict(list)
    for batch in plan(lengths):
        for piece in batch.pieces:
            read[piece.span] += range(piece.start, piece.stop)
    assert read == {number: list(range(length)) for number, length in enumerate(lengths)}


@given(lengths_of_spans)
def test_no_pass_holds_more_than_its_shape_nor_a_span_twice(lengths: list[int]) -> None:
    for batch in plan(lengths):
        assert batch.bucket in BUCKETS
        assert 1 <= len(batch.pieces) <= batch.bucket.rows
        assert all(1 <= len(piece) <= batch.bucket.tokens for piece in batch.pieces)
        assert len({piece.span for piece in batch.pieces}) == len(batch.pieces)


@given(st.lists(st.integers(1, SHORT[-1]), min_size=1, max_size=ROWS[-1]))
def test_requests_that_decode_share_one_pass(lengths: list[int]) -> None:
    assert len(plan(lengths)) == 1


@pytest.mark.parametrize(
    ("lengths", "buckets", "reason"),
    [
        ([1], [Bucket(1, 1)], "a token"),
        ([5], [Bucket(1, 5)], "a token and 4 drafts"),
        ([6], [Bucket(1, 9)], "a token and 5 drafts"),
        ([1, 1, 1], [Bucket(4, 1)], "three windows"),
        ([9, 1], [Bucket(2, 9)], "one with drafts, one without"),
        ([10], [Bucket(1, 32)], "a short prompt"),
        ([128, 1], [Bucket(1, 1), Bucket(1, 128)], "a prompt beside a token"),
        ([130], [Bucket(1, 128), Bucket(1, 5)], "a prompt and the two tokens behind it"),
        ([1] * 9, [Bucket(8, 1), Bucket(1, 1)], "more rows than a pass has"),
        ([1, 1, 1, 1, 1, 1, 1, 9, 9], [Bucket(8, 9), Bucket(1, 9)], "equal lengths go together"),
    ],
)
def test_the_smallest_shape_is_taken(lengths: list[int], buckets: list[Bucket], reason: str) -> None:
    assert [batch.bucket for batch in plan(lengths)] == buckets, reason


def test_shapes_fit_what_decoding_asks_for() -> None:
    assert LONG[-1] == PREFILL_TOKENS
    assert SHORT[-1] == DRAFT_TOKENS + 1
    assert len(set(BUCKETS)) == len(BUCKETS)
