"""The open documents of somebody who types, and every step as it happens. Knows nothing of who types, or what."""

from __future__ import annotations

from dataclasses import dataclass

from lsp_server.replay import Edit, Open, Phase, Rest, Step

PAIRS = {"(": ")", "[": "]", "{": "}", '"': '"'}


@dataclass(slots=True)
class Buffer:
    """One document, its cursor, and the closing marks that the editor has put right of it."""

    name: str
    text: str
    cursor: int = 0
    closers: str = ""
    """The next one to be typed comes first."""

    @property
    def line_prefix(self) -> str:
        return self.text[self.text.rfind("\n", 0, self.cursor) + 1 : self.cursor]


class Desk:
    """Buffers, the one that has the keyboard, and the session so far."""

    def __init__(self, texts: dict[str, str], *, closes_pairs: frozenset[str]) -> None:
        """`closes_pairs`: documents whose editor puts the closing bracket or quote behind an opening one."""
        self.buffers = {name: Buffer(name=name, text=text) for name, text in texts.items()}
        self.steps: list[Step] = [Open(document=name, text=text) for name, text in texts.items()]
        self._closes_pairs = closes_pairs
        self._current = next(iter(self.buffers.values()))
        self._arrival: Phase | None = None

    @property
    def current(self) -> Buffer:
        return self._current

    def go(self, name: str, cursor: int) -> None:
        """Move, in this document or to another one; the next edit is the first one there."""
        if name != self._current.name:
            self._arrival = Phase.SWITCHING
        elif cursor != self._current.cursor:
            self._arrival = self._arrival or Phase.MOVING
        self._current = self.buffers[name]
        self._current.cursor, self._current.closers = cursor, ""
        self.steps.append(Rest(document=name, cursor=cursor))

    def insert(self, text: str, phase: Phase) -> None:
        self._edit(0, text, len(text), phase)

    def erase(self, count: int, phase: Phase = Phase.DELETING) -> None:
        """Remove what stands left of the cursor."""
        self._edit(count, "", 0, phase)

    def press(self, character: str) -> None:
        """One key of the keyboard, with what the editor adds to it."""
        buffer = self._current
        if buffer.closers.startswith(character) and character:
            self._overtype(character)
        elif character in PAIRS and self._closes(buffer):
            self._edit(0, character + PAIRS[character], 1, Phase.TYPING)
            buffer.closers = PAIRS[character] + buffer.closers
        else:
            self.insert(character, Phase.TYPING)

    def replace_before(self, count: int, text: str, phase: Phase) -> None:
        """Put `text` in place of what stands left of the cursor."""
        self._edit(count, text, len(text), phase)

    def _closes(self, buffer: Buffer) -> bool:
        """Editors close a pair where only white space or a closing bracket follows, and not in a string."""
        following = buffer.text[buffer.cursor : buffer.cursor + 1]
        in_string = buffer.line_prefix.count('"') % 2 == 1
        return buffer.name in self._closes_pairs and not in_string and (not following or following in " \n)]}")

    def _overtype(self, character: str) -> None:
        buffer = self._current
        step = Edit(
            document=buffer.name,
            at=buffer.cursor,
            remove=1,
            insert=character,
            cursor=buffer.cursor + 1,
            phase=self._phase(Phase.TYPING),
        )
        self._apply(step)
        buffer.closers = buffer.closers[1:]

    def _edit(self, remove: int, text: str, advance: int, phase: Phase) -> None:
        at = self._current.cursor - remove
        self._apply(
            Edit(
                document=self._current.name,
                at=at,
                remove=remove,
                insert=text,
                cursor=at + advance,
                phase=self._phase(phase),
            )
        )

    def _apply(self, edit: Edit) -> None:
        self._current.text, self._current.cursor = edit.applied_to(self._current.text), edit.cursor
        self.steps.append(edit)

    def _phase(self, phase: Phase) -> Phase:
        arrival, self._arrival = self._arrival, None
        return arrival or phase
