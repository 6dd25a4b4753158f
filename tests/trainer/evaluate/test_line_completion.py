from __future__ import annotations

from trainer.corpus import Document
from trainer.evaluate.line_completion import LineAnswer, LineTask, draw_tasks

TEXT = "import os\n\n\ndef join(left, right):\n    return os.path.join(left, right)  # one path\n\n\nx = 1\n"


def document(text: str = TEXT, path: str = "a.py") -> Document:
    return Document(path=path, source="a", licence="MIT", sha256="0" * 64, text=text)


def test_a_task_is_the_file_with_the_rest_of_one_line_taken_out() -> None:
    for task in draw_tasks([document()], 10, seed=3):
        assert task.before + task.target + task.after == TEXT
        assert "\n" not in task.target
        assert task.target.strip()


def test_the_cursor_never_stands_inside_a_word() -> None:
    for seed in range(50):
        for task in draw_tasks([document()], 10, seed):
            left, right = task.before[-1:], task.target[:1]
            assert not (left.isalnum() and right.isalnum()), (left, right)


def test_lines_too_short_to_be_worth_asking_are_left_out() -> None:
    assert draw_tasks([document("x\n)\n\n    \n")], 10, seed=0) == []


def test_the_same_seed_draws_the_same_tasks_and_another_seed_others() -> None:
    documents = [document(path=f"{number}.py") for number in range(20)]
    assert draw_tasks(documents, 15, seed=1) == draw_tasks(documents, 15, seed=1)
    assert draw_tasks(documents, 15, seed=1) != draw_tasks(documents, 15, seed=2)


def test_white_space_around_an_answer_does_not_count() -> None:
    task = LineTask(path="a.py", before="x =", target=" 1 + 1", after="\n")
    assert LineAnswer(task=task, proposed="1 + 1 ", copied="").is_exact
    assert not LineAnswer(task=task, proposed=" 1 + 2", copied=" 1 + 1").is_exact
    assert LineAnswer(task=task, proposed="", copied=" 1 + 1").copy_is_exact
