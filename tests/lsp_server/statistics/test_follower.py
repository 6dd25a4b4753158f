"""A person at a keyboard, an editor that inserts, and what the follower makes of it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

import pytest

from lsp_server.statistics.follower import LOOKS, Follower
from lsp_server.statistics.offer import Offer, Outcome
from lsp_server.statistics.spans import Edit

URI = "file:///a.py"


@dataclass
class Window:
    """A document with a cursor, and all that was reported of its offers."""

    text: str = "x = "
    now: float = 0.0
    ended: list[Offer] = field(default_factory=list)
    kept: list[tuple[int | None, int | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.follower = Follower(
            lambda offer: self.ended.append(replace(offer)),
            lambda offer: self.kept.append((offer.kept_30_s, offer.kept_5_min)),
        )
        self._keys = itertools.count(1)

    def offer(self, *texts: str) -> int:
        offer = Offer(
            key=next(self._keys),
            offered_at=0.0,
            client="test",
            language="python",
            automatic=True,
            from_cache=False,
            latency_ms=1.0,
            characters=len(texts[0]),
            lines=1,
        )
        return self.follower.offer(URI, len(self.text), texts, offer, self.now)

    def edit(self, at: int, removed: int, inserted: str) -> None:
        self.text = self.text[:at] + inserted + self.text[at + removed :]
        self.follower.edit(URI, Edit(at=at, removed=removed, inserted=inserted), self.now)

    def insert(self, text: str) -> None:
        self.edit(len(self.text), 0, text)

    def type(self, text: str) -> None:
        for character in text:
            self.insert(character)

    def backspace(self, count: int = 1) -> None:
        for _ in range(count):
            self.edit(len(self.text) - 1, 1, "")

    def outcome(self) -> tuple[Outcome, int, int, int]:
        """Of the only offer."""
        (offer,) = self.ended
        return offer.outcome, offer.accepted_characters, offer.num_accepts, offer.typed_characters


@pytest.fixture
def window() -> Window:
    return Window()


def test_tab_accepts_all_at_once(window: Window) -> None:
    window.offer("compute()")
    window.insert("compute()")
    assert window.outcome() == (Outcome.WHOLE, 9, 1, 0)


def test_what_is_typed_by_hand_is_no_acceptance(window: Window) -> None:
    window.offer("compute()")
    window.type("compute()")
    assert window.outcome() == (Outcome.TYPED, 0, 0, 9)


def test_tab_after_some_typing_accepts_the_rest(window: Window) -> None:
    first = window.offer("compute()")
    window.type("com")
    assert window.offer("pute()") == first, "the rest of an offer is that offer still"
    window.insert("pute()")
    assert window.outcome() == (Outcome.WHOLE, 6, 1, 3)


def test_words_that_are_accepted_one_by_one_make_the_whole(window: Window) -> None:
    window.offer("first second")
    window.insert("first ")
    window.insert("second")
    assert window.outcome() == (Outcome.WHOLE, 12, 2, 0)


def test_a_word_and_then_something_else_is_a_part(window: Window) -> None:
    window.offer("first second")
    window.insert("first ")
    window.type("o")
    assert window.outcome() == (Outcome.PART, 6, 1, 0)


def test_something_else_ignores_the_offer(window: Window) -> None:
    window.offer("compute()")
    window.type("co")
    window.type("x")
    assert window.outcome() == (Outcome.IGNORED, 0, 0, 2)


def test_a_slip_of_the_finger_is_deleted_and_the_offer_goes_on(window: Window) -> None:
    window.offer("compute()")
    window.type("com")
    window.backspace(2)
    window.insert("ompute()")
    assert window.outcome() == (Outcome.WHOLE, 8, 1, 1)


def test_another_candidate_is_accepted(window: Window) -> None:
    window.offer("one", "two", "three")
    window.type("t")
    window.insert("hree")
    assert window.outcome() == (Outcome.WHOLE, 4, 1, 1)


def test_a_bracket_that_the_editor_closes_was_one_key(window: Window) -> None:
    window.offer("f(a)")
    window.type("f")
    window.insert("()")  # and the cursor stands between them
    at = len(window.text) - 1
    window.edit(at, 0, "a)")
    assert window.outcome() == (Outcome.WHOLE, 2, 1, 2)


def test_a_line_break_with_its_indentation_is_one_key(window: Window) -> None:
    window.offer("a:\n    pass")
    window.type("a:")
    window.insert("\n    ")
    window.type("pass")
    assert window.outcome() == (Outcome.TYPED, 0, 0, 11)


def test_an_editor_may_write_the_word_before_the_cursor_again(window: Window) -> None:
    """As from a completion menu, whose item replaces the word."""
    window.type("comp")
    window.offer("ute()")
    window.edit(len(window.text) - 4, 4, "compute()")
    assert window.outcome() == (Outcome.WHOLE, 5, 1, 0)


def test_a_newer_offer_elsewhere_ends_the_older(window: Window) -> None:
    window.offer("compute()")
    window.text = "y = "
    window.follower.offer(URI, 2, ["z"], replace(_any_offer(), key=77), 0.0)
    assert window.outcome()[0] is Outcome.IGNORED


def _any_offer() -> Offer:
    window = Window()
    window.offer("a")
    window.insert("a")
    return window.ended[0]


def test_an_edit_above_ends_the_offer(window: Window) -> None:
    window.offer("compute()")
    window.edit(0, 0, "import os\n")
    assert window.outcome()[0] is Outcome.IGNORED


def test_what_the_editor_says_outweighs_an_edit_that_was_not_understood(window: Window) -> None:
    key = window.offer("if a:\n    pass")
    window.insert("if a:\n\tpass")  # indented in its own way
    window.follower.accept(key, window.now)
    assert [offer.outcome for offer in window.ended] == [Outcome.IGNORED, Outcome.WHOLE]
    assert window.ended[-1].accepted_characters == 14
    window.follower.accept(key, window.now)
    assert len(window.ended) == 2, "once"


def test_an_acceptance_that_the_edit_has_told_is_counted_once(window: Window) -> None:
    key = window.offer("compute()")
    window.insert("compute()")
    window.follower.accept(key, window.now)
    assert window.outcome() == (Outcome.WHOLE, 9, 1, 0)


def test_what_is_kept_is_seen_after_half_a_minute_and_after_five(window: Window) -> None:
    window.offer("compute(value)")
    window.insert("compute(value)")
    window.edit(0, 0, "import os\n")  # moves it
    window.edit(window.text.index("value"), 5, "x")
    window.now = LOOKS[0] - 1
    window.follower.look(window.now)
    assert window.kept == []
    window.now = LOOKS[0]
    window.follower.look(window.now)
    assert window.kept == [(9, None)]
    window.backspace(3)
    window.now = LOOKS[1]
    window.follower.look(window.now)
    assert window.kept == [(9, None), (9, 7)]
    window.follower.look(window.now + 1000)
    assert len(window.kept) == 2


def test_of_a_closed_document_nobody_knows_what_was_kept(window: Window) -> None:
    window.offer("compute()")
    window.insert("compute()")
    window.follower.close(URI, 1.0)
    window.follower.look(LOOKS[1])
    assert window.kept == []


def test_the_editors_leaving_ends_what_is_open(window: Window) -> None:
    window.offer("compute()")
    window.type("c")
    window.follower.stop(1.0)
    assert window.outcome() == (Outcome.IGNORED, 0, 0, 1)
