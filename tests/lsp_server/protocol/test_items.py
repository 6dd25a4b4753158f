from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from lsprotocol import types

from lsp_server.completion.cache import Suggestion
from lsp_server.completion.snapshot import Snapshot
from lsp_server.protocol.items import inline_items, menu_items
from lsp_server.protocol.text_buffer import Encoding, TextBuffer


def menu(document: str, *texts: str, neovim: bool = False, encoding: Encoding = Encoding.UTF16) -> types.CompletionList:
    text, offset = document.replace("|", ""), document.index("|")
    line, character = TextBuffer(text, encoding).position(offset)
    return menu_items(
        [Suggestion(text=each, mean_logprob=-1.0) for each in texts],
        Snapshot(uri="u", language="python", text=text, offset=offset),
        types.CompletionParams(
            text_document=types.TextDocumentIdentifier(uri="u"),
            position=types.Position(line=line, character=character),
        ),
        encoding=encoding,
        indents_snippets=neovim,
        new_id=ids(),
    )


def ids() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: str(next(numbers))


def edit_of(item: types.CompletionItem) -> types.TextEdit:
    assert isinstance(item.text_edit, types.TextEdit)
    return item.text_edit


@pytest.mark.parametrize(
    ("document", "text", "new_text", "start", "reason"),
    [
        ("x = |", "1", "1", 4, "no word before the cursor"),
        ("x = com|", "pute()", "compute()", 4, "the typed word is replaced"),
        ("self.na|", "me", "name", 5, "a dot ends a word"),
        ("x2|", "y", "x2y", 0, "digits belong to a word"),
        ("2|", "3", "3", 1, "but do not begin one"),
        ("größe = grö|", "ße", "größe", 8, "letters of any language"),
        ("😀 = com|", "pute()", "compute()", 5, "columns are UTF-16 units"),
    ],
)
def test_a_menu_item_replaces_the_word_before_the_cursor(
    document: str, text: str, new_text: str, start: int, reason: str
) -> None:
    (item,) = menu(document, text).items
    edit = edit_of(item)
    assert edit.new_text == new_text, reason
    assert (edit.range.start.character, edit.range.end.line) == (start, edit.range.start.line), reason
    assert item.filter_text == item.label == new_text, reason


def test_the_words_width_is_counted_in_the_editors_units() -> None:
    for encoding, start in ((Encoding.UTF8, 6), (Encoding.UTF32, 4)):
        (item,) = menu("é = grö|", "ße", encoding=encoding).items
        assert edit_of(item).range.start.character == (5 if encoding is Encoding.UTF8 else start)


def test_a_menu_item_of_several_lines() -> None:
    (item,) = menu("def f():|", "\n    return 1").items
    assert item.label == "return 1", "the first line that says something"
    assert item.filter_text is None
    assert item.insert_text_format is types.InsertTextFormat.PlainText
    assert item.insert_text_mode is types.InsertTextMode.AsIs
    assert item.commit_characters == []
    assert isinstance(item.documentation, types.MarkupContent)
    assert item.documentation.value == "```python\n\n    return 1\n```"


def test_items_keep_their_rank_and_come_before_other_servers() -> None:
    items = menu("x = |", *"abcdefghij").items
    assert [item.sort_text for item in items] == sorted(item.sort_text or "" for item in items)
    assert (items[0].sort_text or "") < "!"


def test_the_fence_is_longer_than_any_in_the_text() -> None:
    (item,) = menu("x = |", '"""\n````\n"""').items
    assert isinstance(item.documentation, types.MarkupContent)
    assert item.documentation.value.startswith("`````python\n")


@pytest.mark.parametrize(
    ("document", "text", "new_text", "reason"),
    [
        ("def f():|", "\n    return 1", "\n    return 1", "no indentation to take away"),
        ("    if x:|", "\n        a\n    b", "\n    a\nb", "Neovim adds the line's indentation to each line"),
        ("\tif x:|", "\n\t\ta", "\n\ta", "tabs too"),
        ("    f(|", "\n        a\n    )\nb", "\n    a\n)", "a snippet cannot go back to less indentation"),
        ("if x:|", "\n    f'${y}\\n'", "\n    f'\\${y\\}\\\\n'", "what means something in a snippet is escaped"),
        ("    a = |", "f(\r\n        1)", "f(\n    1)", "snippets have plain line ends"),
        ("    if x:|", "\n        a\n\n        b", "\n    a\n\n    b", "blank lines stay"),
    ],
)
def test_neovim_gets_snippets_that_its_indentation_makes_right(
    document: str, text: str, new_text: str, reason: str
) -> None:
    (item,) = menu(document, text, neovim=True).items
    assert item.insert_text_format is types.InsertTextFormat.Snippet
    assert edit_of(item).new_text == new_text, reason


def test_neovim_gets_plain_text_for_a_single_line() -> None:
    (item,) = menu("x = |", "f'${y}'", neovim=True).items
    assert item.insert_text_format is types.InsertTextFormat.PlainText
    assert edit_of(item).new_text == "f'${y}'"


def inline(selected: types.SelectedCompletionInfo | None) -> types.InlineCompletionList:
    params = types.InlineCompletionParams(
        context=types.InlineCompletionContext(
            trigger_kind=types.InlineCompletionTriggerKind.Automatic, selected_completion_info=selected
        ),
        text_document=types.TextDocumentIdentifier(uri="u"),
        position=types.Position(line=2, character=7),
    )
    suggestions = [Suggestion(text="spam", mean_logprob=-1.0), Suggestion(text="eggs", mean_logprob=-2.0)]
    return inline_items(suggestions, params, ids())


def test_ghost_text_stands_at_the_cursor_and_reports_its_acceptance() -> None:
    here = types.Position(line=2, character=7)
    items = inline(None).items
    assert [item.insert_text for item in items] == ["spam", "eggs"]
    assert all(item.range == types.Range(start=here, end=here) for item in items)
    assert [item.command and item.command.arguments for item in items] == [["1"], ["2"]]
    assert not any("spam" in str(item.command) for item in items), "the command carries no code"


def test_ghost_text_extends_the_menus_selection() -> None:
    selection = types.SelectedCompletionInfo(
        range=types.Range(start=types.Position(line=2, character=5), end=types.Position(line=2, character=7)),
        text="print",
    )
    items = inline(selection).items
    assert [item.insert_text for item in items] == ["printspam", "printeggs"]
    assert all(item.range == selection.range for item in items)
