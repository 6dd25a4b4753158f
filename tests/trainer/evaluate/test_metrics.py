from __future__ import annotations

from math import sqrt

import pytest

from trainer.evaluate.metrics import Mean, Means, judge
from trainer.evaluate.tasks import Task


def task(target: str = "left + right", before: str = "total = ", after: str = "\n") -> Task:
    return Task(kind="line", source="a", path="a.py", before=before, target=target, after=after)


def test_the_text_itself_is_right_in_every_way_whatever_white_space_is_around_it() -> None:
    score = judge(task(), " left + right ")
    assert (score.exact, score.edit_similarity, score.first_line, score.kept, score.parses) == (True, 1, True, 1, True)


def test_nothing_at_all_is_wrong_in_every_way() -> None:
    score = judge(task(), "")
    assert (score.exact, score.edit_similarity, score.first_line, score.kept) == (False, 0, False, 0)
    assert score.parses is False  # `total = ` alone


@pytest.mark.parametrize(
    ("proposed", "kept", "reason"),
    [
        ("left + wrong", 7 / 12, "as far as the first wrong character"),
        ("wrong + right", 0.0, "what follows a wrong beginning has to be typed again"),
        ("left + right + more", 1.0, "what is too much costs no typing"),
        ("left", 4 / 12, "what is missing does"),
    ],
)
def test_the_share_of_characters_that_need_not_be_typed(proposed: str, kept: float, reason: str) -> None:
    assert judge(task(), proposed).kept == pytest.approx(kept), reason


def test_a_right_first_line_counts_whatever_follows_it() -> None:
    block = task("a = 1\n    b = 2", before="if x:\n    ")
    assert judge(block, "a = 1\n    c = 3").first_line
    assert not judge(block, "a = 2\n    b = 2").first_line


def test_edit_similarity_is_twice_the_common_characters_by_all() -> None:
    assert judge(task("abcd"), "abxd").edit_similarity == pytest.approx(2 * 3 / 8)


def test_whether_a_file_parses_is_asked_only_where_it_did_before() -> None:
    assert judge(task(after="\n)"), "1").parses is None
    assert judge(task(), "(").parses is False


def test_a_mean_has_the_standard_error_of_a_share() -> None:
    mean = Mean.of([1, 1, 1, 0])
    assert mean == Mean(value=0.75, error=sqrt(0.75 * 0.25 / 4), num=4)
    assert Mean.of([]).num == 0


def test_tasks_of_files_that_never_parsed_do_not_count_as_failures() -> None:
    means = Means.of([judge(task(after="\n)"), "1"), judge(task(), "1")])
    assert means.parses == Mean(value=1.0, error=0.0, num=1)
