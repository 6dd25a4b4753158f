from __future__ import annotations

import numpy as np

from lsp_server.recall.match import Match
from lsp_server.recall.recollection import LIVE_TRUST, STORED_TRUST, Recollection
from lsp_server.recall.suffix_index import SuffixIndex


def index_of(**texts: list[int]) -> SuffixIndex:
    return SuffixIndex({name: np.asarray(ids, dtype=np.uint32) for name, ids in texts.items()})


def test_the_document_is_asked_after_the_code_around_it() -> None:
    recollection = Recollection([[1, 2, 3, 1, 2]], index=index_of(other=[1, 2, 4]))
    assert [list(each.shares) for each in recollection.expectations()] == [[4], [3]]


def test_the_documents_stored_copy_is_left_out() -> None:
    recollection = Recollection([[1, 2]], index=index_of(mine=[1, 2, 4]), own_name="mine")
    assert recollection.expectations() == []


def test_it_goes_on_with_each_token() -> None:
    recollection = Recollection([[1, 2, 3, 4, 1]])
    other = recollection.copy()
    recollection.add(2)
    assert [each.shares for each in recollection.expectations()] == [{3: 1.0}]
    assert other.expectations() == []


def test_the_longest_match_is_the_indexs_only_where_it_is_longer() -> None:
    index = index_of(other=[9, 1, 2, 4, 5])
    longer, equal = Recollection([[1, 2, 3, 9, 1, 2]], index=index), Recollection([[1, 2, 3, 1, 2]], index=index)
    for recollection, length, continuation in ((longer, 3, [4, 5]), (equal, 2, [3, 1, 2])):
        match = recollection.longest_match()
        assert match is not None
        assert (match.length, list(match.continuation)) == (length, continuation)
    assert Recollection([[1]]).longest_match() is None


def test_longer_matches_and_more_of_one_mind_are_trusted_more() -> None:
    for trust in (LIVE_TRUST, STORED_TRUST):
        one = trust.of(Match(length=3, next_ids=[7]))
        assert 0 < one < trust.of(Match(length=8, next_ids=[7])) < 1
        assert one < trust.of(Match(length=3, next_ids=[7, 7, 7]))
        assert trust.of(Match(length=3, next_ids=[7, 8, 9])) < one
