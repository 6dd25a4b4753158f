"""What a programmer saves with offers that a script makes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.corpus import Document
from trainer.simulate.pieces import FEWEST_LINES, MOST_LINES, Piece, draw_pieces
from trainer.simulate.typist import Shown, Tally, write

TARGET = "def area(width):\n    square = width * width\n    return square"
PIECE = Piece(source="a", path="a.py", before="import math\n", target=TARGET, after="\nprint(1)\n")
Offer = Callable[[str], str]
"""From the text that is still to come to what is offered."""


class ScriptedEditor:
    """Knows what is to come, and offers what a script makes of it."""

    def __init__(self, offer: Offer, latency_ms: float = 0.0) -> None:
        self._offer, self._latency_ms = offer, latency_ms
        self.written = ""
        self.target = ""

    async def open(self, piece: Piece) -> None:
        self.target = piece.target

    async def insert(self, text: str) -> None:
        self.written += text
        assert self.target.startswith(self.written)

    async def shown(self) -> Shown:
        return Shown(text=self._offer(self.target[len(self.written) :]), latency_ms=self._latency_ms)


async def written(offer: Offer, latency_ms: float = 0.0) -> Tally:
    editor = ScriptedEditor(offer, latency_ms)
    tally = await write(editor, PIECE, seed=0)
    assert editor.written == TARGET
    return tally


async def test_without_offers_every_key_is_pressed_and_indentation_comes_by_itself() -> None:
    tally = await written(lambda rest: "")
    assert tally.keys == tally.plain_keys == len(TARGET) - 2 * 4
    assert (tally.saved, tally.completed, tally.num_offers) == (0.0, 0.0, 0)


async def test_who_knows_everything_saves_all_but_a_key() -> None:
    tally = await written(lambda rest: rest)
    assert (tally.keys, tally.num_right, tally.num_wrong) == (1, 1, 0)
    assert tally.completed == 1.0


async def test_an_offer_for_each_line_costs_a_key_each() -> None:
    tally = await written(lambda rest: rest.lstrip("\n ").split("\n")[0] if rest[0] not in "\n " else "")
    assert (tally.num_right, tally.num_wrong) == (3, 0)
    assert tally.keys == 3 + 2, "and two line breaks"


async def test_of_a_block_whose_first_line_is_right_that_line_is_accepted() -> None:
    tally = await written(lambda rest: rest.split("\n")[0] + "\n    wrong()" if rest == TARGET else "")
    assert (tally.num_right, tally.accepted_characters) == (1, len("def area(width):"))


async def test_each_wrong_offer_is_counted() -> None:
    tally = await written(lambda rest: "xyz" + rest[:1])
    assert tally.num_wrong == tally.keys
    assert tally.saved == 0.0


async def test_the_rest_of_an_offer_that_is_typed_through_is_no_new_one() -> None:
    """Right for the first word, wrong behind it: typed past, and seen once."""
    whole = "def area(height)"

    def offer(rest: str) -> str:
        typed = len(TARGET) - len(rest)
        return whole[typed:] if TARGET[:typed] == whole[:typed] and typed < 9 else ""

    tally = await written(offer)
    assert (tally.num_offers, tally.num_right) == (1, 0)


async def test_what_comes_behind_the_next_key_is_not_seen() -> None:
    tally = await written(lambda rest: rest, latency_ms=60_000)
    assert (tally.num_offers, tally.saved) == (0, 0.0)
    assert tally.num_late == tally.keys


async def test_nothing_short_is_worth_a_key() -> None:
    tally = await written(lambda rest: rest[:2])
    assert (tally.num_offers, tally.num_accepts) == (0, 0)


@given(text=st.text("ab \n\t", max_size=60))
def test_the_keys_of_a_piece_make_its_text(text: str) -> None:
    piece = Piece(source="", path="", before="", target=text, after="")
    assert "".join(piece.keystrokes()) == text


def document(number: int, num_lines: int = 90) -> Document:
    text = "".join(f"line_{number}_{line} = {line}\n" if line % 7 else "\n" for line in range(num_lines))
    return Document(path=f"{number}.py", source="a", licence="MIT", sha256=str(number), text=text)


def test_pieces_are_whole_lines_and_the_same_for_a_seed() -> None:
    documents = [document(number) for number in range(12)]
    texts = {each.path: each.text for each in documents}
    pieces = draw_pieces(documents, 8, 3)
    assert len(pieces) == len({piece.path for piece in pieces}) == 8
    for piece in pieces:
        assert piece.before + piece.target + piece.after == texts[piece.path]
        assert 1 <= piece.target.count("\n") + 1 <= MOST_LINES
        assert piece.target.split("\n")[0].strip()
        assert not piece.before or piece.before.endswith("\n")
    assert draw_pieces(documents, 8, 3) == pieces != draw_pieces(documents, 8, 4)


def test_few_files_are_used_again_and_short_ones_never() -> None:
    assert len(draw_pieces([document(1)], 3, 0)) == 3
    assert draw_pieces([document(1, FEWEST_LINES)], 3, 0) == []


@pytest.mark.parametrize("count", [1, 5])
def test_tallies_add_up(count: int) -> None:
    one = Tally(characters=10, plain_keys=8, keys=4, num_offers=2, num_right=1, latencies_ms=[1.0])
    total = Tally()
    for _ in range(count):
        total.add(one)
    assert (total.characters, total.keys, total.num_wrong) == (10 * count, 4 * count, count)
    assert total.saved == 0.5
    assert len(total.latencies_ms) == count
