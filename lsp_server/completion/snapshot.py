"""What the user saw when a suggestion was asked for. Immutable, so later edits change no earlier question."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One document at one moment, with its cursor."""

    uri: str
    """Key of the document: its URI in an editor, any stable name elsewhere."""
    language: str
    """LSP language id, such as `python`."""
    text: str
    offset: int
    """Code points before the cursor."""
    cells_before: tuple[str, ...] = ()
    """Source of the notebook's code cells above this one, in order."""

    @property
    def before(self) -> str:
        return self.text[: self.offset]

    @property
    def after(self) -> str:
        return self.text[self.offset :]

    @property
    def line_prefix(self) -> str:
        """Text left of the cursor on its line."""
        start = max(self.text.rfind("\n", 0, self.offset), self.text.rfind("\r", 0, self.offset)) + 1
        return self.text[start : self.offset]

    @property
    def line_suffix(self) -> str:
        """Text right of the cursor on its line."""
        ends = [self.text.find(mark, self.offset) for mark in "\r\n"]
        return self.text[self.offset : min((end for end in ends if end >= 0), default=len(self.text))]

    @property
    def line_end(self) -> str:
        """The line end this document uses; the first one speaks for all."""
        lf, cr = self.text.find("\n"), self.text.find("\r")
        if cr < 0 or 0 <= lf < cr:
            return "\n"
        return "\r\n" if lf == cr + 1 else "\r"

    def accepting(self, start: int, text: str) -> Snapshot:
        """The document after a menu's selected item replaced everything from `start` to the cursor."""
        return replace(self, text=self.text[:start] + text + self.after, offset=start + len(text))
