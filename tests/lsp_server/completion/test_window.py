from __future__ import annotations

import random

import pytest

from lsp_server.completion.snapshot import Snapshot
from lsp_server.completion.window import MAX_DOCUMENTS, Prompt, Windows
from lsp_server.model.prompt import PromptLayout, Sentinels, SpmPrompts
from lsp_server.model.tokenizer import CodeTokenizer

LINES = "".join(f"line {number:04}\n" for number in range(500))
"""500 lines of 10 bytes."""


class Reader:
    """Windows, and what of the document is in their prompts."""

    def __init__(self, tokenizer: CodeTokenizer, sentinels: Sentinels, layout: PromptLayout) -> None:
        self.windows = Windows(tokenizer=tokenizer, prompts=SpmPrompts(sentinels=sentinels, layout=layout))
        self.tokenizer, self.sentinels, self.layout = tokenizer, sentinels, layout

    def prefix(self, text: str, offset: int | None = None, **values: object) -> str:
        return self.parts(text, offset, **values)[1]

    def parts(self, text: str, offset: int | None = None, **values: object) -> tuple[str, str]:
        """(suffix, prefix) in the prompt, with what the answer is to begin with."""
        offset = len(text) if offset is None else offset
        snapshot = Snapshot(**{"uri": "u", "language": "python", "text": text, "offset": offset, **values})  # type: ignore[arg-type]
        prompt = self.windows.prompt(snapshot)
        assert len(prompt.ids) <= self.layout.prompt_tokens
        middle = prompt.ids.index(self.sentinels.fim_middle) if self.sentinels.fim_middle in prompt.ids else 0
        suffix, prefix = prompt.ids[:middle], prompt.ids[middle + 1 :]
        return self.tokenizer.decode(suffix), self.tokenizer.decode(prefix) + prompt.begins_with


@pytest.fixture
def reader(tokenizer: CodeTokenizer, sentinels: Sentinels, layout: PromptLayout) -> Reader:
    return Reader(tokenizer, sentinels, layout)


def test_a_short_document_is_seen_whole(reader: Reader) -> None:
    assert reader.parts("a = 1\nb = 2\n", 6) == ("b = 2\n", "a = 1\n")


def test_a_document_without_suffix_is_plain_text_behind_the_end_of_text(
    reader: Reader, sentinels: Sentinels, tokenizer: CodeTokenizer
) -> None:
    prompt = reader.windows.prompt(Snapshot(uri="u", language="python", text="ab.", offset=3))
    assert prompt == Prompt(ids=(sentinels.end_of_text, *tokenizer.encode("ab")), begins_with=".")


def test_a_long_document_is_cut_at_a_line(reader: Reader) -> None:
    prefix = reader.prefix(LINES)
    assert LINES.endswith(prefix)
    assert prefix.startswith("line ")
    assert 250 < len(prefix) <= 300, "about three quarters of the budget, the rest is for typing"


def test_typing_extends_the_prompt_at_its_end_only(reader: Reader) -> None:
    starts = set()
    text, previous = LINES, reader.prefix(LINES)
    for number in range(1000):
        text += "\n" if number % 20 == 19 else "x"
        prefix = reader.prefix(text)
        starts.add(len(text) - len(prefix))
        if len(prefix) > 1 and prefix[:-1] != previous:
            assert len(prefix) <= 300, "the start moves only when the budget is used up"
        previous = prefix
    assert len(starts) < 15, "1000 keystrokes move the start of a 400 token window a few times"


def test_edits_above_the_window_move_its_start_along(reader: Reader) -> None:
    before = reader.prefix(LINES)
    assert reader.prefix("import os\n" + LINES) == before
    assert reader.prefix(LINES[20:]) == before


def test_an_edit_over_the_windows_start_chooses_anew(reader: Reader) -> None:
    start = len(LINES) - len(reader.prefix(LINES))
    text = LINES[: start - 5] + "changed\n" + LINES[start + 5 :]
    prefix = reader.prefix(text)
    assert text.endswith(prefix)
    assert len(prefix) <= 300


def test_moving_up_brings_the_text_above_into_view(reader: Reader) -> None:
    start = len(LINES) - len(reader.prefix(LINES))
    prefix = reader.prefix(LINES, start + 30)
    assert LINES[: start + 30].endswith(prefix)
    assert len(prefix) > 200
    assert len(reader.prefix(LINES, 1000)) > 200


def test_moving_within_the_window_keeps_its_start(reader: Reader) -> None:
    whole = reader.prefix(LINES)
    assert reader.prefix(LINES, len(LINES) - 55) == whole[:-55]


def test_a_line_longer_than_the_window_is_cut_inside(reader: Reader) -> None:
    text = "x" * 10_000
    prefix = reader.prefix(text)
    assert 250 < len(prefix) <= 300
    assert reader.prefix(text + "y") == prefix + "y", "and its start stays, too"


def test_the_suffix_is_cut_to_its_budget(reader: Reader) -> None:
    suffix, _ = reader.parts(LINES, 1000)
    assert suffix == LINES[1000:1050]


@pytest.mark.parametrize(
    ("line_suffix", "seen", "reason"),
    [
        (")", "\nrest", "an editor closes the bracket with the opening one"),
        ('")])', "\nrest", "several of them, and a quote"),
        (") ", "\nrest", "white space behind it"),
        ("):", "):\nrest", "a colon was written by somebody"),
        ("b)", "b)\nrest", "so was a word"),
        ("  ", "  \nrest", "white space alone closes nothing"),
    ],
)
def test_closing_marks_right_of_the_cursor_do_not_change_the_prompts_head(
    reader: Reader, line_suffix: str, seen: str, reason: str
) -> None:
    suffix, prefix = reader.parts(f"f({line_suffix}\nrest", 2)
    assert (suffix, prefix) == (seen, "f("), reason


def test_line_ends_and_lone_surrogates_are_put_as_the_model_knows_them(reader: Reader) -> None:
    assert reader.parts("a\r\nb\rc\ud800d\r\n", 5) == ("c\ufffdd\n", "a\nb\n")


def test_cells_above_stand_before_the_text(reader: Reader) -> None:
    assert reader.prefix("x = ", cells_before=("import os", "import re")) == "import os\nimport re\nx = "


def test_every_document_has_its_own_window(reader: Reader) -> None:
    first = reader.prefix(LINES)
    reader.prefix("other\n" * 300, uri="v")
    assert reader.prefix(LINES + "x") == first + "x"
    reader.windows.forget("u")
    assert reader.prefix(LINES + "x" * 150) != first + "x" * 150


def test_windows_of_documents_out_of_use_are_dropped(reader: Reader) -> None:
    for number in range(MAX_DOCUMENTS * 2):
        reader.prefix("x", uri=str(number))
    assert len(reader.windows._windows) == MAX_DOCUMENTS


def test_any_walk_through_a_document_keeps_the_budgets(reader: Reader) -> None:
    randomness = random.Random(0)
    text = LINES
    for _ in range(300):
        offset = randomness.randrange(len(text) + 1)
        text = text[:offset] + randomness.choice(["é" * 30, "\n", "word ", "😀", "\t" * 40]) + text[offset:]
        suffix, prefix = reader.parts(text, offset)
        assert text[:offset].endswith(prefix.lstrip("\ufffd"))
        assert text[offset:].startswith(suffix.rstrip("\ufffd"))
