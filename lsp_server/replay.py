"""Plays a typing session against the real pipeline, keystroke by keystroke, and says what each of them cost.

A session is a list of steps: documents that are opened, a cursor that comes to rest somewhere, and edits. An edit is
one keystroke, or one key that inserts more (Tab, undo). After it the player pauses and asks, as an editor does, and
waits for the answer: it is what is measured, so none is superseded. Knows neither LSP nor torch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from enum import Enum

from lsp_server.completion.ahead import Ahead
from lsp_server.completion.cache import Suggestion
from lsp_server.completion.completer import Completer
from lsp_server.completion.snapshot import Snapshot
from lsp_server.engine.recorder import Recorder
from lsp_server.settings import Settings

ENOUGH_REUSE = 0.9
"""A keystroke that reads at most a tenth of its prompt anew counts as served from the cache."""


class Phase(str, Enum):
    """What the person at the keyboard is doing."""

    TYPING = "typing"
    DELETING = "deleting"
    ACCEPTING = "accepting"
    UNDOING = "undoing"
    MOVING = "moving"
    """The first keystroke at a place in the same document."""
    SWITCHING = "switching"
    """The first keystroke in a document that the cursor has come to from another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A document is opened."""

    document: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """The cursor has moved without an edit and stays there for a moment. Only some editors tell the server."""

    document: str
    cursor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """`remove` characters at `at` give way to `insert`; the cursor stands at `cursor` in what results."""

    document: str
    at: int
    remove: int
    insert: str
    cursor: int
    phase: Phase

    def applied_to(self, text: str) -> str:
        return text[: self.at] + self.insert + text[self.at + self.remove :]


Step = Open | Rest | Edit


@dataclass(frozen=True, slots=True, kw_only=True)
class Keystroke:
    """What one edit cost."""

    phase: Phase
    num_requests: int
    """Questions to the engine: none where the cache knew, or where nothing is offered unasked."""
    prompt_tokens: int
    reused_tokens: int
    engine_ms: float
    """Waiting, reading the prompt and writing the answer."""
    prefill_ms: float
    wall_ms: float
    """From the question, behind the pause, to the suggestions."""
    from_cache: bool
    has_suggestion: bool

    @property
    def is_asked(self) -> bool:
        return self.from_cache or self.num_requests > 0

    @property
    def is_served(self) -> bool:
        """From the typed-through cache, or with nearly all of the prompt already read."""
        return self.from_cache or (self.num_requests > 0 and self.reused_tokens >= ENOUGH_REUSE * self.prompt_tokens)


class Player:
    """An editor's part: it holds the documents, and asks after each edit."""

    def __init__(
        self,
        engine: Recorder,
        completer: Completer,
        settings: Settings,
        *,
        ahead: bool = True,
        tells_cursor: bool = True,
    ) -> None:
        """`ahead`: read prompts before they are asked for; `tells_cursor`: the editor says where the cursor rests."""
        self._engine, self._completer, self._settings = engine, completer, settings
        self._ahead = Ahead() if ahead else None
        self._tells_cursor = tells_cursor
        self._texts: dict[str, str] = {}

    async def play(self, steps: Iterable[Step]) -> AsyncIterator[Keystroke]:
        for step in steps:
            if isinstance(step, Open):
                self._texts[step.document] = step.text
            elif isinstance(step, Rest):
                await self._rest(step)
            else:
                yield await self._edit(step)

    async def _rest(self, rest: Rest) -> None:
        if self._ahead is not None and self._tells_cursor:
            self._ahead.expect(self._completer, self._snapshot(rest.document, rest.cursor), self._settings)
            await self._ahead.settle()  # whoever looks at a place before typing there leaves more time than this takes

    async def _edit(self, edit: Edit) -> Keystroke:
        self._texts[edit.document] = edit.applied_to(self._texts[edit.document])
        snapshot = self._snapshot(edit.document, edit.cursor)
        if self._ahead is not None:
            self._ahead.expect(self._completer, snapshot, self._settings)
        if self._known(snapshot) is None:
            await asyncio.sleep(self._settings.debounce_ms / 1000)
        if self._ahead is not None:
            self._ahead.make_way(snapshot)
        from_cache, first = self._known(snapshot) is not None, len(self._engine.timings)
        started = time.monotonic()
        suggestions = await self._completer.suggest(snapshot, self._settings, True)
        wall_ms = 1000 * (time.monotonic() - started)
        timings = self._engine.timings[first:]
        return Keystroke(
            phase=edit.phase,
            num_requests=len(timings),
            prompt_tokens=sum(each.prompt_tokens for each in timings),
            reused_tokens=sum(each.reused_tokens for each in timings),
            engine_ms=sum(each.queue_ms + each.prefill_ms + each.decode_ms for each in timings),
            prefill_ms=sum(each.prefill_ms for each in timings),
            wall_ms=wall_ms,
            from_cache=from_cache,
            has_suggestion=bool(suggestions),
        )

    def _known(self, snapshot: Snapshot) -> list[Suggestion] | None:
        return self._completer.known(snapshot, self._settings, True)

    def _snapshot(self, document: str, cursor: int) -> Snapshot:
        return Snapshot(uri=document, language="python", text=self._texts[document], offset=cursor)
