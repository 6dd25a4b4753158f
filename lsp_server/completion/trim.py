"""Cuts a model's raw text to what should be inserted: ends it, and removes what the document already says.

Knows no tokens. Model text has `\\n` line ends, the result has the document's.
"""

from __future__ import annotations

import re

from lsp_server.completion.line_rest import within_string, without_line_suffix, without_spare_closers
from lsp_server.completion.repetition import first_known_below, first_repeated
from lsp_server.completion.rest import plain
from lsp_server.completion.rules import ALL, Rules
from lsp_server.completion.snapshot import Snapshot
from lsp_server.completion.syntax import Syntax
from lsp_server.model.blocks import block_end, line_end
from lsp_server.settings import LengthMode

_GARBAGE = re.compile(r"[\ufffd\x00-\x08\x0b-\x1f\x7f]")
"""Bytes that are no UTF-8, such as half a character where decoding stopped, and control characters."""
_CHARACTERS_AROUND = 2_000
"""Of the text above and below that a suggestion is compared with; longer repetitions do not occur."""
_MOST_CUTS = 3
"""Shorter versions that the parser is shown: each costs up to a millisecond."""
_DANGLING = re.compile(r"\s*(#.*|@[\w.]*(\(.*\))?|.*:)$")
"""A last line that nothing follows: a comment, a decorator, the head of a block."""


def is_single_line(snapshot: Snapshot) -> bool:
    """With text right of the cursor, lines below it would tear the line apart."""
    return bool(snapshot.line_suffix.strip())


class Trimmer:
    """Trims by its rules."""

    def __init__(self, syntax: Syntax, rules: Rules = ALL) -> None:
        self._syntax, self._rules = syntax, rules

    def trim(
        self, text: str, snapshot: Snapshot, length: LengthMode, *, cut_short: bool, is_beginning: bool = False
    ) -> str:
        """What to insert at the cursor; empty when nothing useful is left.

        `cut_short`: the model was stopped by a limit, so its last line may be unfinished.
        `is_beginning`: it ends, perhaps within a line, where the model is not sure any more.
        """
        if (garbage := _GARBAGE.search(text)) is not None:
            text, cut_short = text[: garbage.start()], True
        raw = text
        text = self._complete_part(text, snapshot, length, cut_short=cut_short)
        text = self._without_known_lines(text, snapshot)
        text = self._fitted(text, snapshot).rstrip()
        is_unfinished = (cut_short or is_beginning) and text == raw.rstrip()
        if self._rules.syntax and text:
            text = self._sound_part(text, snapshot, is_unfinished=is_unfinished)
        return text.replace("\n", snapshot.line_end)

    def _complete_part(self, text: str, snapshot: Snapshot, length: LengthMode, *, cut_short: bool) -> str:
        if is_single_line(snapshot):
            return text.split("\n", 1)[0]
        if length is LengthMode.LINE:
            end = line_end(text)
        else:
            end = block_end(plain(snapshot.line_prefix), text) if self._rules.block_end else None
        if end is not None:
            return text[:end]
        head, _, _ = text.rpartition("\n")
        return head if cut_short and head.strip() else text

    def _without_known_lines(self, text: str, snapshot: Snapshot) -> str:
        """Without the second round of a loop, and without what stands below."""
        for is_on, find in ((self._rules.repetition, _first_repeated), (self._rules.lines_below, _first_below)):
            number = find(text, snapshot) if is_on else None
            if number is not None:
                text = "\n".join(text.split("\n")[:number])
        return text

    def _fitted(self, text: str, snapshot: Snapshot) -> str:
        """Between what stands left and right of the cursor."""
        prefix, suffix = plain(snapshot.line_prefix), plain(snapshot.line_suffix)
        if self._rules.brackets:
            text = within_string(text, prefix, suffix, snapshot.language)
            text = without_spare_closers(text, prefix, suffix.strip(), snapshot.language)
        return without_line_suffix(text, suffix.strip()) if self._rules.line_suffix else text

    def _sound_part(self, text: str, snapshot: Snapshot, *, is_unfinished: bool) -> str:
        """As many of the text's lines as add no syntax error, up to the last few; the last one may want its end."""
        quotes = self._syntax.string_end(snapshot)
        if quotes:
            return text.split(quotes, 1)[0].rstrip()
        if is_unfinished and self._syntax.can_be_right(snapshot.accepting(snapshot.offset, text)):
            return text
        lines = text.split("\n")
        ends = [number for number in range(len(lines), 0, -1) if lines[number - 1].strip()]
        for number in (*ends[:_MOST_CUTS], *ends[-1:]):
            part = "\n".join(lines[:number])
            is_dangling = number > 1 and _DANGLING.fullmatch(lines[number - 1]) is not None
            if part.strip() and not is_dangling and self._syntax.fits(snapshot, part):
                return part
        return "" if self._syntax.can_be_right(snapshot) else text


def _first_repeated(text: str, snapshot: Snapshot) -> int | None:
    above = plain(snapshot.text[max(0, snapshot.offset - _CHARACTERS_AROUND) : snapshot.offset]).split("\n")
    prefix = plain(snapshot.line_prefix)
    return first_repeated((prefix + text).split("\n"), above[:-1])


def _first_below(text: str, snapshot: Snapshot) -> int | None:
    below = plain(snapshot.text[snapshot.offset : snapshot.offset + _CHARACTERS_AROUND]).split("\n")
    return first_known_below((plain(snapshot.line_prefix) + text).split("\n"), below[1:])
