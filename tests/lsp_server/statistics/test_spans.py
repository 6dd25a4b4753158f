from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.statistics.spans import Edit, Spans, difference

texts = st.text("ab\n", max_size=30)


def applied(text: str, edit: Edit) -> str:
    return text[: edit.at] + edit.inserted + text[edit.at + edit.removed :]


@given(old=texts, new=texts)
def test_a_difference_makes_one_text_of_the_other_and_is_short(old: str, new: str) -> None:
    edit = difference(old, new)
    assert applied(old, edit) == new
    gone = old[edit.at : edit.at + edit.removed]
    assert not gone or not edit.inserted or (gone[0] != edit.inserted[0] and gone[-1] != edit.inserted[-1])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "a", Edit(at=0, removed=0, inserted="a")),
        ("ab", "aXb", Edit(at=1, removed=0, inserted="X")),
        ("abc", "ac", Edit(at=1, removed=1, inserted="")),
        ("aa", "aaa", Edit(at=2, removed=0, inserted="a")),
        ("same", "same", Edit(at=4, removed=0, inserted="")),
    ],
)
def test_differences(old: str, new: str, expected: Edit) -> None:
    assert difference(old, new) == expected


@given(data=st.data())
def test_spans_know_which_characters_survive(data: st.DataObject) -> None:
    """The slow twin marks every character of the followed text."""
    text = data.draw(texts)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    marks = [start <= index < end for index in range(len(text))]
    spans = Spans()
    spans.add(start, end)
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(marks)))
        removed = data.draw(st.integers(0, len(marks) - at))
        inserted = data.draw(texts)
        spans.follow(Edit(at=at, removed=removed, inserted=inserted))
        marks[at : at + removed] = [False] * len(inserted)
        assert spans.num_characters == sum(marks)
