"""What is wrong with an offer whatever was meant. `|` is the cursor."""

from __future__ import annotations

import pytest

from trainer.simulate.faults import Faults, find_faults

CASES = [
    # document, offer, faults, reason
    ("x = |\n", "1", set(), "a value"),
    ("x = |\n", "1)", {"num_broken"}, "a bracket too many"),
    ("x = f(|\n", "1", set(), "what was open before may stay open"),
    ("x = f(|\n", "g(1", {"num_unfinished"}, "what the offer opens wants to be closed"),
    ("x = |\n", "self.", {"num_unfinished"}, "the beginning of a line"),
    ("from a|\n", " import", {"num_unfinished"}, "another one"),
    ("with |\n", "open(1) as", {"num_unfinished"}, "of a block's head"),
    ("x = 'a|\n", "b", set(), "an open string"),
    ("if x:\n    |\n", "if y:", {"num_unfinished"}, "a head without a body"),
    ("x = f(|)\n", "1)", {"num_broken", "num_suffix"}, "the closing bracket is there"),
    ("|\ny = f(1)\n", "x = 1\ny = f(1)", {"num_below"}, "the line below"),
    ("y = f(1)\n|\n", "y = f(1)", {"num_above"}, "the line above"),
    ("def f(:\n|\n", "x = 1)", {"unparsable"}, "nobody can tell in a broken file"),
]


@pytest.mark.parametrize(("document", "offer", "expected", "reason"), CASES, ids=[case[3] for case in CASES])
def test_find_faults(document: str, offer: str, expected: set[str], reason: str) -> None:
    before, after = document.split("|")
    faults = find_faults(before, offer, after)
    found = {name for name in Faults.__slots__ if name not in ("num_judged", "num_parsable") and getattr(faults, name)}
    assert found | (set() if faults.num_parsable else {"unparsable"}) == expected


def test_faults_are_added_up() -> None:
    total = Faults()
    for offer in ("1", "1)"):
        total.add(find_faults("x = ", offer, "\n"))
    assert (total.num_judged, total.num_parsable, total.share("num_broken")) == (2, 2, 0.5)
    assert Faults().share("num_broken") == 0
