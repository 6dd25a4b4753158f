"""From a snapshot to suggestions: window, engine, trim, rank, cache. Needs no editor; knows no LSP and no torch."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import Any

from lsp_server.completion.cache import Suggestion, TypedThroughCache
from lsp_server.completion.flights import Flights
from lsp_server.completion.rest import plain
from lsp_server.completion.rules import ALL, Rules
from lsp_server.completion.snapshot import Snapshot
from lsp_server.completion.syntax import Place, Syntax
from lsp_server.completion.trim import Trimmer, is_single_line
from lsp_server.completion.window import Encoder, Prompt, Windows
from lsp_server.completion.workspace import Workspace, name_of
from lsp_server.engine.api import (
    MAX_CANDIDATES,
    Candidate,
    CompletionRequest,
    CompletionResult,
    Engine,
    FinishReason,
    Recall,
    SamplingParams,
    StopRule,
)
from lsp_server.errors import EngineError
from lsp_server.model.prompt import PromptBuilder
from lsp_server.settings import Confidence, LengthMode, Settings

EXPLICIT_TEMPERATURE = 0.4
"""CodeParrot's; several candidates at temperature 0 would all be the same."""
UNSURE_TEMPERATURE = 1.0
"""The model's own distribution."""
LEAST_PROBABILITY = {
    Confidence.FEWER: 0.75,
    Confidence.BALANCED: 0.5,
    Confidence.MORE: 0.3,
    Confidence.ALL: 0.0,
}
"""An automatic suggestion ends before the word that would make all of it less likely than this."""
SHORTEST_BEGINNING = 3
"""Characters of a suggestion whose rest the model is not sure of: less is typed faster than it is read."""
_GRACE_SECONDS = 0.5
"""An engine that keeps its deadline answers well within this; one that hangs is given up."""
_LONG_LINE = 400
_CUT_SHORT = (FinishReason.LENGTH, FinishReason.DEADLINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask:
    """One question, prepared for the engine."""

    snapshot: Snapshot
    settings: Settings
    automatic: bool


class Completer:
    """Suggestions of one model for many documents."""

    def __init__(self, *, engine: Engine, tokenizer: Encoder, prompts: PromptBuilder, rules: Rules = ALL) -> None:
        self._engine = engine
        self._rules = rules
        self._syntax = Syntax()
        self._trimmer = Trimmer(self._syntax, rules)
        self._context_tokens = prompts.context_tokens
        self.workspace = Workspace(engine, tokenizer)
        self._windows = Windows(tokenizer=tokenizer, prompts=prompts, heals=rules.healing)
        self._cache = TypedThroughCache()
        self._flights = Flights()
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def suggest(self, snapshot: Snapshot, settings: Settings, automatic: bool) -> list[Suggestion]:
        """The best suggestions first; an automatic request gets at most one.

        Raises: EngineError when the engine cannot answer, CancelledError when a newer request took its place.
        """
        if automatic and self._rules.not_in_words and _in_word(snapshot):
            return []
        if automatic and (flight := self._flights.find(snapshot, settings)) is not None:
            await flight.wait()
            known = self.known(snapshot, settings, automatic)
            if known is not None:
                return known
        work = self._in_turn(snapshot, settings, automatic)
        return await self._flights.start(snapshot, settings, automatic, work).wait()

    async def _in_turn(self, snapshot: Snapshot, settings: Settings, automatic: bool) -> list[Suggestion]:
        """The engine drops the older of two questions about a document; the menu and ghost text may ask together."""
        turn = self._turns.setdefault(snapshot.uri, asyncio.Lock())
        async with turn:
            known = self.known(snapshot, settings, automatic)
            return await self._ask(snapshot, settings, automatic) if known is None else known

    def is_under_way(self, snapshot: Snapshot, settings: Settings) -> bool:
        """Whether an answer that is being written now will fit an automatic question."""
        return self._flights.find(snapshot, settings) is not None

    def known(self, snapshot: Snapshot, settings: Settings, automatic: bool) -> list[Suggestion] | None:
        """Suggestions that need no model; None when it has to be asked."""
        return self._cache.find(snapshot, settings, automatic=automatic)

    async def read_ahead(self, snapshot: Snapshot, settings: Settings) -> None:
        """Have the engine read the prompt of the automatic question that may follow, unless that needs no model.

        Raises: EngineError.
        """
        self._syntax.prepare(snapshot)
        if not _in_word(snapshot) and self.known(snapshot, settings, True) is None:
            await self._engine.prefill(snapshot.uri, self.prompt(snapshot).ids)

    def has_been_written_out(self, snapshot: Snapshot, settings: Settings) -> bool:
        """Whether a suggestion stands in the document to its last character, accepted or typed."""
        return self._cache.is_written_out(snapshot, settings)

    def prompt(self, snapshot: Snapshot) -> Prompt:
        """What the model is given for this snapshot."""
        return self._windows.prompt(snapshot)

    def forget(self, uri: str) -> None:
        """The document was closed."""
        self._windows.forget(uri)
        self._syntax.forget(uri)
        self._cache.forget(uri)

    async def _ask(self, snapshot: Snapshot, settings: Settings, automatic: bool) -> list[Suggestion]:
        ask = _Ask(snapshot=snapshot, settings=settings, automatic=automatic)
        shown = self._cache.find(snapshot, settings, automatic=True) or []
        candidates = await self._candidates(ask)
        written = [self._suggestion(candidate, ask) for candidate in candidates]
        num_greedy = int(settings.temperature == 0)  # what is shown while one types stays in front
        found = _distinct([*shown, *written[:num_greedy], *_ranked(written[num_greedy:])])
        if len(found) == 1 < settings.num_candidates and not automatic and settings.temperature == 0:
            found = _distinct([*found, *_ranked(await self._others(ask))])
        suggestions = found[: 1 if automatic else settings.num_candidates]
        if suggestions or all(candidate.finish_reason is not FinishReason.DEADLINE for candidate in candidates):
            self._cache.put(snapshot, settings, automatic=automatic, suggestions=tuple(suggestions))
        return suggestions

    async def _others(self, ask: _Ask) -> list[Suggestion]:
        """Where all candidates were one: what else the model might have said by itself, in as many tries as go."""
        alone = replace(ask, settings=replace(ask.settings, memory=False, top_p=1.0))
        try:
            others = await self._request(alone, UNSURE_TEMPERATURE, MAX_CANDIDATES)
        except EngineError:
            return []  # there is one
        return [self._suggestion(candidate, ask) for candidate in others]

    def _suggestion(self, candidate: Candidate, ask: _Ask) -> Suggestion:
        reason = candidate.finish_reason
        text = self._trimmer.trim(
            candidate.text,
            ask.snapshot,
            self._length(ask),
            cut_short=reason in _CUT_SHORT,
            is_beginning=reason is FinishReason.UNSURE,
        )
        if reason is FinishReason.UNSURE and len(text.strip()) < SHORTEST_BEGINNING:
            text = ""
        return Suggestion(text=text, mean_logprob=candidate.mean_logprob)

    def _length(self, ask: _Ask) -> LengthMode:
        """One line where more would tear the line apart, and in prose."""
        is_prose = self._rules.lines_by_syntax and self._syntax.place(ask.snapshot) is not Place.CODE
        return LengthMode.LINE if is_prose or is_single_line(ask.snapshot) else ask.settings.length

    async def _candidates(self, ask: _Ask) -> list[Candidate]:
        """Automatic: one. Explicit at temperature 0: the greedy one, and sampled ones behind it."""
        settings = ask.settings
        if ask.automatic:
            return await self._request(ask, settings.temperature, 1)
        if settings.temperature > 0:
            return await self._request(ask, settings.temperature, settings.num_candidates)
        greedy = await self._request(ask, 0.0, 1)
        num_sampled = settings.num_candidates - 1
        if num_sampled == 0:
            return greedy
        try:
            return greedy + await self._request(ask, EXPLICIT_TEMPERATURE, num_sampled)
        except EngineError:
            if not greedy:
                raise
            return greedy

    async def _request(self, ask: _Ask, temperature: float, num_candidates: int) -> list[Candidate]:
        settings = ask.settings
        prompt = self.prompt(ask.snapshot)
        room = self._context_tokens - len(prompt.ids)
        request = CompletionRequest(
            document=ask.snapshot.uri,
            prompt_ids=prompt.ids,
            begins_with=prompt.begins_with,
            recall=self._recall(ask, prompt),
            sampling=SamplingParams(
                temperature=temperature,
                top_p=settings.top_p,
                top_k=settings.top_k,
                max_new_tokens=min(settings.max_new_tokens, room),
                num_candidates=num_candidates,
            ),
            stop=StopRule.LINE if self._length(ask) is LengthMode.LINE else StopRule.BLOCK,
            least_probability=self._least_probability(ask),
            line_prefix=_ends(plain(ask.snapshot.line_prefix)),
            deadline_ms=settings.deadline_ms,
        )
        answer = self._engine.complete(request, self._flights.listener(ask.snapshot.uri))
        result = await _within(settings.deadline_ms / 1000 + _GRACE_SECONDS, answer)
        return list(result.candidates)

    def _least_probability(self, ask: _Ask) -> float:
        return LEAST_PROBABILITY[ask.settings.confidence] if ask.automatic and self._rules.confidence else 0.0

    def _recall(self, ask: _Ask, prompt: Prompt) -> Recall | None:
        if not (ask.settings.memory and self._rules.memory):
            return None
        return Recall(texts=prompt.rest, collection=self.workspace.collection, own_name=name_of(ask.snapshot.uri))


async def _within(seconds: float, answer: Coroutine[Any, Any, CompletionResult]) -> CompletionResult:
    """The engine's answer. Before Python 3.12 `asyncio.wait_for` drops a cancellation that arrives together with it.

    Raises: EngineError when it does not come in time.
    """
    task = asyncio.ensure_future(answer)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            raise EngineError(f"no answer from the engine within {seconds:g} s: the next request tries again")
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)  # the engine has let go of it before anyone asks again


def _ranked(suggestions: Iterable[Suggestion]) -> list[Suggestion]:
    """The surest first. None of them adds a syntax error: the trimmer has seen to that."""
    return sorted(suggestions, key=lambda suggestion: -suggestion.mean_logprob)


def _distinct(suggestions: Iterable[Suggestion]) -> list[Suggestion]:
    """The first of those that differ by no more than white space, without empty ones."""
    first: dict[str, Suggestion] = {}
    for suggestion in suggestions:
        if suggestion.text:
            first.setdefault(" ".join(suggestion.text.split()), suggestion)
    return list(first.values())


def _in_word(snapshot: Snapshot) -> bool:
    """Between two letters of a name people are correcting, not completing."""
    around = snapshot.text[max(0, snapshot.offset - 1) : snapshot.offset + 1]
    return 0 < snapshot.offset < len(snapshot.text) and all(each.isalnum() or each == "_" for each in around)


def _ends(line: str) -> str:
    """Both ends of a very long line: the stop rules look no further."""
    return line if len(line) <= _LONG_LINE else line[: _LONG_LINE // 2] + line[-_LONG_LINE // 2 :]
