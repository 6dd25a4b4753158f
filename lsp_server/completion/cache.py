"""Answers from earlier suggestions: who types what was suggested, or deletes it again, needs no model."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from lsp_server.completion.snapshot import Snapshot
from lsp_server.settings import Settings

CAPACITY = 32
MAX_CHARACTERS = 4_000_000
"""Each answer keeps the text of its document alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Text to insert at the cursor, in the document's line ends; never blank."""

    text: str
    mean_logprob: float
    """Mean natural-log probability of the whole candidate's tokens."""
    from_cache: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    snapshot: Snapshot
    settings: Settings
    automatic: bool
    suggestions: tuple[Suggestion, ...]


class TypedThroughCache:
    """The latest answers of all documents."""

    def __init__(self) -> None:
        self._answers: deque[_Answer] = deque(maxlen=CAPACITY)

    def put(
        self, snapshot: Snapshot, settings: Settings, *, automatic: bool, suggestions: tuple[Suggestion, ...]
    ) -> None:
        self._answers.appendleft(
            _Answer(snapshot=snapshot, settings=settings, automatic=automatic, suggestions=suggestions)
        )
        while len(self._answers) > 1 and sum(len(each.snapshot.text) for each in self._answers) > MAX_CHARACTERS:
            self._answers.pop()

    def find(self, snapshot: Snapshot, settings: Settings, *, automatic: bool) -> list[Suggestion] | None:
        """What is left of earlier suggestions; None when the model has to be asked.

        An automatic request takes the best of an explicit one's answers, but never the other way round.
        """
        for answer in self._answers:
            if answer.settings != settings or (answer.automatic and not automatic):
                continue
            if not _may_fit(answer, snapshot) or (typed := typed_since(answer.snapshot, snapshot)) is None:
                continue
            if typed == "" and not answer.suggestions:
                return []
            rests = [_rest(suggestion, typed) for suggestion in answer.suggestions]
            found = [rest for rest in rests if rest is not None]
            if found:
                return found[:1] if automatic else found
        return None

    def is_written_out(self, snapshot: Snapshot, settings: Settings) -> bool:
        """Whether the document differs from what it was only by all of a suggestion, behind which the cursor stands."""
        return any(
            answer.settings == settings
            and _may_fit(answer, snapshot)
            and (typed := typed_since(answer.snapshot, snapshot))
            and any(typed == suggestion.text for suggestion in answer.suggestions)
            for answer in self._answers
        )

    def forget(self, uri: str) -> None:
        kept = [answer for answer in self._answers if answer.snapshot.uri != uri]
        self._answers = deque(kept, maxlen=CAPACITY)


def _may_fit(answer: _Answer, now: Snapshot) -> bool:
    """A first look, before whole documents are compared: was a suggestion's start typed at the earlier cursor?"""
    typed = now.text[answer.snapshot.offset : now.offset]
    return not typed or any(suggestion.text.startswith(typed) for suggestion in answer.suggestions)


def typed_since(then: Snapshot, now: Snapshot) -> str | None:
    """Text typed at the earlier cursor; None if anything else is different."""
    if now.uri != then.uri or now.offset < then.offset or now.cells_before != then.cells_before:
        return None
    if len(now.text) - now.offset != len(then.text) - then.offset or now.after != then.after:
        return None
    return now.text[then.offset : now.offset] if now.text[: then.offset] == then.before else None


def _rest(suggestion: Suggestion, typed: str) -> Suggestion | None:
    if not suggestion.text.startswith(typed) or not suggestion.text[len(typed) :].strip():
        return None
    return replace(suggestion, text=suggestion.text[len(typed) :], from_cache=True)
