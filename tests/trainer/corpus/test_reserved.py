"""What judges the model never teaches it."""

from __future__ import annotations

import pytest

from trainer.corpus.reserved import is_reserved_path, is_reserved_source, reserved_roots


@pytest.mark.parametrize(
    ("name", "repository", "reserved"),
    [
        ("thefuck", "", True),
        ("ML_From.Scratch", "", True),
        ("human_eval", "", True),
        ("fork", "Python-Discord/bot", True),
        ("bot", "someone/bot", False),  # a common name alone says nothing
        ("Games", "CharlesPikachu/Games", True),
        ("algorithms", "keon/algorithms", True),
        ("algorithms", "", False),
        ("networkx", "networkx/networkx", False),
    ],
)
def test_source(name: str, repository: str, reserved: bool) -> None:
    assert is_reserved_source(name, repository) is reserved


@pytest.mark.parametrize(
    ("path", "reserved"),
    [
        ("copies/games/cpgames/core/games/tetris/tetris.py", True),
        ("copies/games/setup.py", True),  # beside the marker's folder
        ("copies/other/setup.py", False),
        ("src/thonny/plugins/debugger.py", True),
        ("lib/instaloader.py", False),  # a file of that name is not the project
    ],
)
def test_path(path: str, reserved: bool) -> None:
    roots = reserved_roots(["copies/games/cpgames/core/games/tetris/tetris.py", "copies/other/setup.py"])
    assert is_reserved_path(path, roots) is reserved


def test_a_copy_at_the_root_reserves_everything() -> None:
    roots = reserved_roots(["setup.py", "bot/exts/moderation/infraction/management.py"])
    assert is_reserved_path("setup.py", roots)
