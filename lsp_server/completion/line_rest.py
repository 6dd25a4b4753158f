"""Fits a suggestion's text between what stands left and right of the cursor on its line. Text rules only."""

from __future__ import annotations

from lsp_server.completion.brackets import CLOSING, OPENING, read, unmatched_closers


def within_string(text: str, line_prefix: str, line_suffix: str, language: str) -> str:
    """In a string that is closed right of the cursor, only as far as the string goes."""
    quote = read(line_prefix, language).quote
    if not quote or not line_suffix.startswith(quote):
        return text
    at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text.startswith(quote, at):
            return text[:at]
        else:
            at += 1
    return text


def without_line_suffix(text: str, rest: str) -> str:
    """Drop from the suggestion's end the words and marks that already stand right of the cursor.

    Brackets are left to `without_spare_closers`.
    """
    if not rest or rest[0] in OPENING or rest[0] in CLOSING:
        return text
    text = text.rstrip()
    for size in range(min(len(text), len(rest)), 0, -1):
        kept, overlap = text[:-size], text[-size:]
        if overlap == rest[:size] and _is_duplicate(kept, overlap):
            return kept
    return text


def _is_duplicate(kept: str, overlap: str) -> bool:
    """Whether the overlap repeats the line's rest, rather than ending something that the suggestion began."""
    if overlap[0] in "\"'`":
        return kept.count(overlap[0]) % 2 == 0
    return not (overlap[0].isalnum() and kept[-1:].isalnum())


def without_spare_closers(text: str, line_prefix: str, rest: str, language: str) -> str:
    """Cut at the first closing bracket that repeats the one right of the cursor.

    The line's beginning may have opened more brackets than stand closed there: so many more may be closed.
    """
    if rest[:1] not in OPENING:
        return text
    left = read(line_prefix, language)
    spare = unmatched_closers(text)
    if not left.in_comment and not left.quote:
        spare = spare[max(0, len(left.opened) - len(read(rest, language).unmatched)) :]
    return text[: spare[0]] if spare and text[spare[0]] == rest[0] else text


def closers_missing(line: str, language: str, num_before: int) -> str:
    """What would close the brackets and quotes that the first `num_before` characters opened and the line did not."""
    opened = read(line, language).opened
    return "".join(each.closer for each in reversed(opened) if each.at < num_before)
