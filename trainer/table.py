"""Rows of text as a Markdown table whose columns line up in a terminal, too."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def render_rows(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """The first row is the head; columns whose numbers are in `right` end flush."""
    columns = range(len(rows[0]))
    widths = [max(len(row[column]) for row in rows) for column in columns]
    lines = [
        "| " + " | ".join(_padded(row[column], widths[column], column in right) for column in columns) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (widths[column] + 1) + (":" if column in right else "-") for column in columns) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _padded(cell: str, width: int, to_the_right: bool) -> str:
    return cell.rjust(width) if to_the_right else cell.ljust(width)
