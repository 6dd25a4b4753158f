"""Cuts a model's raw text to what should be inserted: ends it, and removes what the document already says.

Pure text rules; knows no tokens. Model text has `\\n` line ends, the result has the document's.
"""

from __future__ import annotations

import re

from lsp_server.completion.rest import plain
from lsp_server.completion.snapshot import Snapshot
from lsp_server.model.blocks import block_end, line_end
from lsp_server.settings import LengthMode

_CLOSERS = {")": "(", "]": "[", "}": "{"}
_QUOTES = "\"'`"
_GARBAGE = re.compile(r"[\ufffd\x00-\x08\x0b-\x1f\x7f]")
"""Bytes that are no UTF-8, such as half a character where decoding stopped, and control characters."""
_LOOP = re.compile(r"(.{3,}?)\1{4,}")
"""The same few characters five times in a row. Source: Tabby's post-processing, which drops such a line from six on."""
_LINES_BELOW = 20
"""Lines under the cursor that a suggestion is compared with; longer repetitions do not occur."""
_MOST_EQUAL_LINES = 3


def is_single_line(snapshot: Snapshot) -> bool:
    """With text right of the cursor, lines below it would tear the line apart."""
    return bool(snapshot.line_suffix.strip())


def trim(text: str, snapshot: Snapshot, length: LengthMode, *, cut_short: bool) -> str:
    """What to insert at the cursor; empty when nothing useful is left.

    `cut_short`: the model was stopped by a limit, so its last line may be unfinished.
    """
    if (garbage := _GARBAGE.search(text)) is not None:
        text, cut_short = text[: garbage.start()], True
    text = _without_repeats(_complete_part(text, snapshot, length, cut_short=cut_short), plain(snapshot.line_prefix))
    text = _without_lines_below(text, snapshot)
    text = _within_string(text, plain(snapshot.line_prefix), plain(snapshot.line_suffix))
    text = _without_line_suffix(text, plain(snapshot.line_suffix).strip()).rstrip()
    return text.replace("\n", snapshot.line_end)


def _complete_part(text: str, snapshot: Snapshot, length: LengthMode, *, cut_short: bool) -> str:
    if is_single_line(snapshot):
        return text.split("\n", 1)[0]
    end = line_end(text) if length is LengthMode.LINE else block_end(plain(snapshot.line_prefix), text)
    if end is not None:
        return text[:end]
    head, _, _ = text.rpartition("\n")
    return head if cut_short and head.strip() else text


def _without_repeats(text: str, line_prefix: str) -> str:
    """A small model can fall into a loop: keep one of the lines it repeats, and no line that loops in itself."""
    lines = (line_prefix + text).split("\n")
    for number in range(len(lines)):
        following = lines[number : number + _MOST_EQUAL_LINES]
        if lines[number].strip() and len(following) == _MOST_EQUAL_LINES and len(set(following)) == 1:
            return "\n".join(text.split("\n")[: number + 1])
    for number, line in enumerate(text.split("\n")):
        if any(len(set(loop[1])) > 1 for loop in _LOOP.finditer(line)):  # a ruler of dashes is none
            return "\n".join(text.split("\n")[:number])
    return text


def _without_lines_below(text: str, snapshot: Snapshot) -> str:
    """Cut where the rest only repeats the lines that follow the cursor, indentation included."""
    below = [line.rstrip() for line in plain(snapshot.after[:10_000]).split("\n")[1:] if line.strip()][:_LINES_BELOW]
    lines = (plain(snapshot.line_prefix) + text).split("\n")
    for number in range(len(lines)):
        tail = [line.rstrip() for line in lines[number:] if line.strip()]
        if lines[number].strip() and tail == below[: len(tail)]:
            return "" if number == 0 else "\n".join(text.split("\n")[:number])
    return text


def _within_string(text: str, line_prefix: str, line_suffix: str) -> str:
    """In a string that is closed right of the cursor, only as far as the string goes."""
    quote = line_suffix[:1]
    if not quote or quote not in _QUOTES or line_prefix.count(quote) % 2 == 0:
        return text
    end = re.search(rf"(?<!\\){quote}", text)
    return text if end is None else text[: end.start()]


def _without_line_suffix(text: str, rest: str) -> str:
    """Drop from the suggestion's end what already stands right of the cursor."""
    if not rest:
        return text
    closer = _unmatched_closer(text)
    if closer is not None and text[closer] == rest[0]:
        return text[:closer]
    if rest[0] in _CLOSERS:
        return text  # any closing bracket left in the text closes one that it opened itself
    text = text.rstrip()
    for size in range(min(len(text), len(rest)), 0, -1):
        kept, overlap = text[:-size], text[-size:]
        if overlap == rest[:size] and _is_duplicate(kept, overlap):
            return kept
    return text


def _is_duplicate(kept: str, overlap: str) -> bool:
    """Whether the overlap repeats the line's rest, rather than ending something that the suggestion began."""
    if overlap[0] in _QUOTES:
        return kept.count(overlap[0]) % 2 == 0
    return not (overlap[0].isalnum() and kept[-1:].isalnum())


def _unmatched_closer(text: str) -> int | None:
    """Index of the first closing bracket that `text` does not open."""
    opened: list[str] = []
    for index, character in enumerate(text):
        if character in _CLOSERS.values():
            opened.append(character)
        elif character in _CLOSERS and (not opened or opened.pop() != _CLOSERS[character]):
            return index
    return None
