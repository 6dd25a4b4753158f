"""What counts as comment, and when a share is too small or too large."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.corpus.comments import comments_of, judge_comments
from trainer.corpus.languages import CommentStyle, comment_style, language_of


@pytest.mark.parametrize(
    ("text", "style", "comments"),
    [
        ("x = 1  # why\n", "python", ["# why"]),
        ("x = '# no comment'\n", "python", []),
        ('x = "a \\" # no comment"\n', "python", []),
        ('def f():\n    """What it does."""\n', "python", ['"""What it does."""']),
        ("def f():\n    r'''Raw \\d.'''\n", "python", ["'''Raw \\d.'''"]),
        ('x = """no docstring"""\n', "python", []),
        ('x = """it\'s " # inside"""  # after\n', "python", ["# after"]),
        ('"""One with \\""" inside."""\nx = 1\n', "python", ['"""One with \\""" inside."""']),
        ("x = 'open\n# after a string that never ends\n", "python", ["# after a string that never ends"]),
        ("int x; // why\n/* a\n * b */ y();\n", "c", ["// why", "/* a\n * b */"]),
        ('s = "http://no.comment";\n', "c", []),
        ("# heading\n", "none", []),
    ],
)
def test_comments(text: str, style: CommentStyle, comments: list[str]) -> None:
    assert [text[start:end] for start, end in comments_of(text, style)] == comments


PIECES = st.sampled_from(
    ["# a\n", "x = 1\n", '"""doc"""\n', "'''", '"', "\\", "\n", "y('#')\n", "# " + "b" * 60 + "\n"]
)


@given(pieces=st.lists(PIECES, min_size=1, max_size=30), low=st.sampled_from([0.0, 0.01, 0.2]))
def test_stopping_early_changes_no_verdict(pieces: list[str], low: float) -> None:
    text = "".join(pieces)
    total = sum(end - start for start, end in comments_of(text, "python"))
    verdict = judge_comments(text, "python", low, 0.8)
    if total < low * len(text):
        assert verdict == "few_comments"
    elif len(text) - total < (1 - 0.8) * len(text):
        assert verdict == "many_comments"
    else:
        assert verdict is None


@pytest.mark.parametrize(
    ("path", "language", "style"),
    [
        ("a/b.py", "Python", "python"),
        ("a.b/c.RS", "Rust", "c"),
        ("Makefile", "other", "none"),
        ("notes.md", "Markdown", "none"),
        (".py", "Python", "python"),
    ],
)
def test_language_by_ending(path: str, language: str, style: CommentStyle) -> None:
    assert language_of(path) == language
    assert comment_style(language) == style
