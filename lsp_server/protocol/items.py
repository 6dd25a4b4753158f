"""Suggestions as the protocol's items, shaped for what each kind of editor does with them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from lsprotocol import types

from lsp_server.completion.cache import Suggestion
from lsp_server.completion.snapshot import Snapshot
from lsp_server.protocol.text_buffer import Encoding

ACCEPTED_COMMAND = "parrotlet.accepted"
_WORD = re.compile(r"[^\W\d]\w*$")
_LABEL_CHARACTERS = 80
_LINE_BREAK = re.compile(r"\r\n|\r|\n")


def inline_items(
    suggestions: list[Suggestion], params: types.InlineCompletionParams, new_id: Callable[[], str]
) -> types.InlineCompletionList:
    """Ghost text. Without a range VS Code would replace the rest of the line, so each item carries one.

    Where the editor's menu has an item selected, the text extends that item and takes its range.
    """
    selected = params.context.selected_completion_info
    edit_range = selected.range if selected else types.Range(start=params.position, end=params.position)
    start = selected.text if selected else ""
    items = [
        types.InlineCompletionItem(
            insert_text=start + suggestion.text, range=edit_range, command=_accepted_command(new_id())
        )
        for suggestion in suggestions
    ]
    return types.InlineCompletionList(items=items)


def menu_items(
    suggestions: list[Suggestion],
    snapshot: Snapshot,
    params: types.CompletionParams,
    *,
    encoding: Encoding,
    indents_snippets: bool,
    new_id: Callable[[], str],
) -> types.CompletionList:
    """Entries of the completion menu.

    `indents_snippets`: Neovim's own completion inserts only the first line of plain text, but all of a snippet, whose
    lines it indents like the cursor's.
    """
    match = _WORD.search(snapshot.line_prefix)
    word = match[0] if match else ""
    start = types.Position(line=params.position.line, character=params.position.character - encoding.width(word))
    edit_range = types.Range(start=start, end=params.position)
    items = []
    for rank, suggestion in enumerate(suggestions):
        item = _menu_item(word + suggestion.text, edit_range, snapshot.language, rank)
        item.command = _accepted_command(new_id())
        if indents_snippets and _LINE_BREAK.search(suggestion.text):
            _make_snippet(item, snapshot.line_prefix)
        items.append(item)
    return types.CompletionList(is_incomplete=True, items=items)


def item_ids(items: Sequence[types.InlineCompletionItem] | Sequence[types.CompletionItem]) -> list[str]:
    """By which the editor will name them when one is accepted."""
    return [str(argument) for item in items if item.command for argument in item.command.arguments or ()]


def _menu_item(text: str, edit_range: types.Range, language: str, rank: int) -> types.CompletionItem:
    first_line = _LINE_BREAK.split(text, maxsplit=1)[0]
    return types.CompletionItem(
        label=(first_line.strip() or text.strip().splitlines()[0])[:_LABEL_CHARACTERS],
        kind=types.CompletionItemKind.Text,
        documentation=types.MarkupContent(kind=types.MarkupKind.Markdown, value=_fenced(text, language)),
        sort_text=f"\x01{rank}",  # before every other server's entries
        filter_text=first_line or None,
        insert_text_format=types.InsertTextFormat.PlainText,
        insert_text_mode=types.InsertTextMode.AsIs,
        text_edit=types.TextEdit(range=edit_range, new_text=text),
        commit_characters=[],
    )


def _make_snippet(item: types.CompletionItem, line_prefix: str) -> None:
    """Turn a plain item into a snippet without placeholders that gives the same text once its lines are indented."""
    assert isinstance(item.text_edit, types.TextEdit)
    indent = line_prefix[: len(line_prefix) - len(line_prefix.lstrip())]
    first, *rest = _LINE_BREAK.split(item.text_edit.new_text)
    lines = [first]
    for line in rest:
        if line.strip() and not line.startswith(indent):
            break  # a snippet cannot go back to less indentation than its first line has
        lines.append(line.removeprefix(indent))
    item.insert_text_format = types.InsertTextFormat.Snippet
    item.text_edit.new_text = re.sub(r"([\\$}])", r"\\\1", "\n".join(lines))


def _fenced(text: str, language: str) -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _accepted_command(item_id: str) -> types.Command:
    return types.Command(title="Suggestion accepted", command=ACCEPTED_COMMAND, arguments=[item_id])
