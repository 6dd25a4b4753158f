from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.corpus import Document
from trainer.evaluate.tasks import LONGEST_BLOCK, LONGEST_SPAN, MOST_BLOCK_LINES, Task, draw_tasks, parses
from trainer.task_kinds import KINDS, Kind

TEXT = '''import os


def join(left, right):
    """One path."""
    if left:  # not empty
        return os.path.join(left, right)
    elif right:
        return right
    return "äöü" + left


class Box:
    """Holds things."""

    @property
    def size(self):
        for item in self.items:
            self.count += item.weight
            self.names.append(item.name)
        return self.count


def one(): return 1
x = 1
'''


def document(text: str = TEXT, path: str = "a.py") -> Document:
    return Document(path=path, source="a", licence="MIT", sha256="0" * 64, text=text)


def draw(kind: Kind, text: str = TEXT, seed: int = 3) -> Sequence[Task]:
    return draw_tasks([document(text)], kind, 100, seed)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 10_000))
def test_a_task_is_the_file_with_a_hole(kind: Kind, seed: int) -> None:
    tasks = draw(kind, seed=seed)
    assert tasks
    for task in tasks:
        assert task.before + task.target + task.after == TEXT
        assert len(task.target.strip()) >= 3
        assert task.kind == kind


@pytest.mark.parametrize("kind", ["line", "word"])
def test_a_line_task_ends_with_its_line(kind: Kind) -> None:
    for task in draw(kind):
        assert "\n" not in task.target
        assert task.after.startswith("\n")


def test_a_lines_cursor_never_stands_inside_a_word() -> None:
    for seed in range(50):
        for task in draw("line", seed=seed):
            left, right = task.before[-1:], task.target[:1]
            assert not (left.isalnum() and right.isalnum()), (left, right)


def test_a_words_cursor_always_does() -> None:
    for seed in range(50):
        for task in draw("word", seed=seed):
            assert (task.before[-1:] + task.target[:1]).replace("_", "x").isalnum()


def test_lines_too_short_to_be_worth_asking_are_left_out() -> None:
    assert draw("line", "x\n)\n\n    \n") == []


def test_blocks_are_whole_bodies_behind_their_indentation_without_docstrings() -> None:
    assert sorted(task.target.split("\n")[0] for task in draw("block")) == [
        "@property",  # the class's body
        "for item in self.items:",  # the method's body
        "if left:  # not empty",  # the function's body, behind its docstring
        "return os.path.join(left, right)",
        "return right",  # `elif` is no body of its own, what stands under it is
        "self.count += item.weight",
    ]
    for task in draw("block"):
        assert not task.before.rpartition("\n")[2].strip()
        assert task.after.startswith("\n")
        assert parses(task.before + "pass" + task.after)


def test_blocks_have_limits() -> None:
    long = "def f():\n" + "".join(f"    x{number} = {number}\n" for number in range(MOST_BLOCK_LINES + 1))
    wide = f"def f():\n    x = '{'y' * LONGEST_BLOCK}'\n"
    assert draw("block", long) == []
    assert draw("block", wide) == []
    assert len(draw("block", long.replace("    x0 = 0\n", ""))) == 1


def test_spans_lie_inside_one_functions_body() -> None:
    for seed in range(30):
        for task in draw("span", seed=seed):
            assert len(task.target) <= LONGEST_SPAN
            assert "def " not in task.target
            function = "join" if len(task.before) < TEXT.index("class Box") else "size"
            assert f"def {function}" in task.before


@pytest.mark.parametrize("kind", ["block", "span"])
@pytest.mark.parametrize("text", ["def f(:\n    pass\n", "print 'two'\n", "x = 1\0\n", "("])
def test_files_that_are_no_python_have_lines_and_words_only(kind: Kind, text: str) -> None:
    assert draw(kind, text) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_draws_the_same_tasks_and_another_seed_others(kind: Kind) -> None:
    documents = [document(path=f"{number}.py") for number in range(20)]
    assert draw_tasks(documents, kind, 15, seed=1) == draw_tasks(documents, kind, 15, seed=1)
    assert draw_tasks(documents, kind, 15, seed=1) != draw_tasks(documents, kind, 15, seed=2)


@given(st.text(alphabet="ab:\n    ()=def ", max_size=200))
def test_any_text_can_be_drawn_from(text: str) -> None:
    for kind in KINDS:
        for task in draw(kind, text):
            assert task.before + task.target + task.after == text


def test_odd_escapes_in_other_peoples_strings_warn_nobody() -> None:
    assert parses('x = "\\d"\n')
