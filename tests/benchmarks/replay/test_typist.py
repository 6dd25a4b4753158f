"""Composed sessions: whatever chance brings, they end with the source text, and each step is one of an editor."""

from __future__ import annotations

import pytest

from benchmarks.replay.__main__ import CLOSES_PAIRS, SOURCES
from benchmarks.replay.desk import Desk
from benchmarks.replay.typist import compose
from lsp_server.replay import Edit, Open, Phase, Rest, Step

SOURCE_TEXTS = {file.name: file.read_text(encoding="utf-8") for file in sorted(SOURCES.glob("*.py"))}


def texts_after(steps: list[Step]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for step in steps:
        if isinstance(step, Open):
            texts[step.document] = step.text
        elif isinstance(step, Edit):
            assert 0 <= step.at <= step.at + step.remove <= len(texts[step.document])
            texts[step.document] = step.applied_to(texts[step.document])
            assert 0 <= step.cursor <= len(texts[step.document])
    return texts


@pytest.mark.parametrize("seed", range(30))
def test_a_session_ends_with_its_source_text(seed: int) -> None:
    assert texts_after(compose(SOURCE_TEXTS, seed, closes_pairs=CLOSES_PAIRS)) == SOURCE_TEXTS


def test_one_seed_is_one_session() -> None:
    assert compose(SOURCE_TEXTS, 5) == compose(SOURCE_TEXTS, 5)
    assert compose(SOURCE_TEXTS, 5) != compose(SOURCE_TEXTS, 6)


def test_the_benchmarks_session_has_everything_that_people_do() -> None:
    steps = compose(SOURCE_TEXTS, 0, closes_pairs=CLOSES_PAIRS)
    edits = [step for step in steps if isinstance(step, Edit)]
    assert {edit.phase for edit in edits} == set(Phase)
    assert 1000 < len(edits) < 3000
    assert any(edit.insert == "()" and edit.cursor == edit.at + 1 for edit in edits)


@pytest.fixture
def desk() -> Desk:
    return Desk({"a.py": "", "b.py": "b\n"}, closes_pairs=frozenset({"a.py"}))


def test_an_editor_closes_brackets_and_the_closing_key_types_over(desk: Desk) -> None:
    for character in "f(a)":
        desk.press(character)
    assert desk.current.text == "f(a)"
    assert [(step.insert, step.remove) for step in desk.steps if isinstance(step, Edit)] == [
        ("f", 0),
        ("()", 0),
        ("a", 0),
        (")", 1),
    ]


def test_in_a_string_and_before_a_word_nothing_is_closed(desk: Desk) -> None:
    for character in '"(':
        desk.press(character)
    assert desk.current.text == '"("'
    desk.go("a.py", 0)
    desk.press("[")
    assert desk.current.text == '["("'


def test_another_editor_closes_nothing(desk: Desk) -> None:
    desk.go("b.py", 0)
    desk.press("(")
    assert desk.current.text == "(b\n"


def test_only_the_first_edit_somewhere_is_an_arrival(desk: Desk) -> None:
    desk.go("b.py", 1)
    desk.press("x")
    desk.press("y")
    desk.go("b.py", 0)
    desk.erase(0)
    phases = [step.phase for step in desk.steps if isinstance(step, Edit)]
    assert phases == [Phase.SWITCHING, Phase.TYPING, Phase.MOVING]
    assert [step.cursor for step in desk.steps if isinstance(step, Rest)] == [1, 0]
