"""Decodes one request: a generator that says which tokens it wants read next, and is sent their logits.

Whoever drives it may read several requests' tokens in one pass, may look up after every pass, and may stop for good.
Knows a cache slot, the sampler and the tokenizer; knows nothing of networks, queues, threads or sockets.

Shape suffixes: B rows, N tokens whose logits are wanted, V vocabulary.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lsp_server.engine.api import CompletionRequest, CompletionResult, FinishReason, OnTokens, Timings
from lsp_server.engine.backend import Backend, Span
from lsp_server.engine.continuation import Continuation, Detokenizer, ranked
from lsp_server.engine.healing import Healer, Openings
from lsp_server.engine.mixing import mixed
from lsp_server.engine.sampler import Sampler
from lsp_server.engine.slots import Slot
from lsp_server.engine.speculation import Drafter, DraftTable
from lsp_server.errors import PromptError
from lsp_server.recall.live_text import LiveText
from lsp_server.recall.recollection import Recollection

PREFILL_TOKENS = 128
"""Prompt tokens in one step: small enough that a cancelled prefill ends within tens of milliseconds on a CPU."""
AnySpan = Span[Any]  # Any: of whatever cache the back end has
AnySlot = Slot[Any]  # Any: as above
AnyBackend = Backend[Any]  # Any: as above


def check_prompt(backend: AnyBackend, prompt_ids: Sequence[int]) -> None:
    """Raises: PromptError when the network cannot read the prompt."""
    if not prompt_ids:
        raise PromptError("the prompt is empty: send at least one token")
    if len(prompt_ids) > backend.context_tokens:
        window = backend.context_tokens
        raise PromptError(f"the prompt has {len(prompt_ids)} tokens, the model's window {window}: shorten it")
    strange = next(
        (number for number in (min(prompt_ids), max(prompt_ids)) if not 0 <= number < backend.vocab_size), None
    )
    if strange is not None:
        last = backend.vocab_size - 1
        raise PromptError(f"the prompt holds token id {strange}, the vocabulary ends at {last}: encode it again")


def prefill(slot: AnySlot, prompt_ids: Sequence[int]) -> Generator[list[AnySpan], list[Tensor], Tensor]:
    """Read what the slot does not hold of the prompt; returns the logits behind its last token, NV.

    A caller that stops early leaves the slot with what was read so far.
    """
    logits_NV = torch.empty(0)
    for start in range(slot.reuse(prompt_ids), len(prompt_ids), PREFILL_TOKENS):
        chunk = prompt_ids[start : start + PREFILL_TOKENS]
        is_last = start + len(chunk) == len(prompt_ids)
        (logits_NV,) = yield [Span(cache=slot.cache, ids=chunk, num_logits=int(is_last))]
        slot.extend(chunk)
    return logits_NV


@dataclass(slots=True, kw_only=True)
class _Row:
    """One candidate on its way."""

    number: int
    continuation: Continuation
    cache: Any  # Any: the back end's cache
    text: LiveText | Recollection
    """Prompt and tokens so far; a recollection has a say in the next one."""
    drafter: Drafter | None
    unread: list[int] = field(default_factory=list)
    """Tokens that were drawn, and that the network has not read."""
    drafts: list[int] = field(default_factory=list)
    """Guesses behind the last token, read in the same pass."""


class Decoding:
    """One request on its way from prompt to candidates."""

    def __init__(
        self,
        backend: AnyBackend,
        tokenizer: Detokenizer,
        slot: AnySlot,
        request: CompletionRequest,
        *,
        received_at: float,
        healer: Healer | None = None,
        recollection: Recollection | None = None,
        draft_table: DraftTable | None = None,
        on_tokens: OnTokens | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`received_at` is when the engine received the request, on `clock`, in seconds.

        `healer` is needed for a request that says what its answer begins with.
        """
        self._backend, self._slot, self._request, self._clock = backend, slot, request, clock
        self._received_at = received_at
        self._deadline = None if request.deadline_ms is None else received_at + request.deadline_ms / 1000
        window_tokens = backend.context_tokens - len(request.prompt_ids) + 1  # the last needs no position
        self._max_new_tokens = min(request.sampling.max_new_tokens, window_tokens)
        num_rows = 1 if request.sampling.greedy else request.sampling.num_candidates  # greedy rows would be equal
        self._continuations = [
            Continuation(
                tokenizer,
                request,
                max_new_tokens=self._max_new_tokens,
                on_text=None if on_tokens is None else partial(on_tokens, row),
            )
            for row in range(num_rows)
        ]
        self._healer, self._text = healer, recollection or LiveText([request.prompt_ids])
        self._draft_table = draft_table
        self._sampler = Sampler(request.sampling, num_rows)
        self._num_passes = 0
        self._num_drafted = 0
        self._num_accepted = 0
        self._num_reused = 0

    def steps(self) -> Generator[list[AnySpan], list[Tensor], CompletionResult]:
        """Yields what is to be read in the next pass, for its logits; returns the ranked candidates."""
        started_at = self._clock()
        logits_NV = yield from self._read_prompt()
        prefilled_at = self._clock()
        if logits_NV is not None:
            yield from self._write(logits_NV)
        for continuation in self._continuations:
            if continuation.finish_reason is None:
                continuation.finish(FinishReason.DEADLINE)
        return CompletionResult(
            candidates=ranked([each.candidate() for each in self._continuations]),
            timings=Timings(
                queue_ms=(started_at - self._received_at) * 1000,
                prefill_ms=(prefilled_at - started_at) * 1000,
                decode_ms=(self._clock() - prefilled_at) * 1000,
                prompt_tokens=len(self._request.prompt_ids),
                reused_tokens=self._num_reused,
                new_tokens=max(each.num_drawn for each in self._continuations),
                num_passes=self._num_passes,
                drafted_tokens=self._num_drafted,
                accepted_drafts=self._num_accepted,
            ),
        )

    def _read_prompt(self) -> Generator[list[AnySpan], list[Tensor], Tensor | None]:
        """The logits behind the prompt, NV, or None when the deadline passed before."""
        prompt_ids = self._request.prompt_ids
        if self._request.sampling.seed is not None:
            self._slot.truncate(0)  # on torch, what was read in other portions differs in the last digit
        reading = prefill(self._slot, prompt_ids)
        spans = next(reading)
        self._num_reused = len(self._slot.ids)
        while not self._expired():
            logits = yield spans
            try:
                spans = reading.send(logits)
            except StopIteration as stop:
                logits_NV: Tensor = stop.value
                return logits_NV
        return None

    def _write(self, logits_NV: Tensor) -> Generator[list[AnySpan], list[Tensor], None]:
        """Draw, read what was drawn, and drop each row as it ends."""
        rows = [self._row(number, continuation) for number, continuation in enumerate(self._continuations)]
        if self._request.begins_with:
            yield from self._open(rows, logits_NV[-1])
        else:
            self._take(rows, [logits_NV] * len(rows))
        while True:
            self._num_passes += 1
            rows = [row for row in rows if row.continuation.finish_reason is None]
            if not rows or self._expired():
                return
            for row in rows:
                row.drafts = self._drafts(row, len(rows))
            spans = [self._span(row) for row in rows]
            logits = yield spans
            for row, span in zip(rows, spans, strict=True):
                row.unread = []
                if row.cache is self._slot.cache:
                    self._slot.extend(span.ids)
            self._take(rows, logits)

    def _row(self, number: int, continuation: Continuation) -> _Row:
        """A lone candidate writes into the document's slot, several into branches of it."""
        cache, alone = self._slot.cache, len(self._continuations) == 1
        text, speculates = self._text.copy(), self._backend.draft_tokens > 0
        return _Row(
            number=number,
            continuation=continuation,
            cache=cache if alone else self._backend.branch(cache, self._max_new_tokens),
            text=text,
            drafter=Drafter(text, self._draft_table) if speculates else None,
        )

    def _open(self, rows: list[_Row], logits_V: Tensor) -> Generator[list[AnySpan], list[Tensor], None]:
        """Draw how each row spells what it must begin with; heads that are looked at are read on branches."""
        assert self._healer is not None
        spelling = self._healer.spell(self._request.begins_with, partial(self._predict, self._text), logits_V)
        try:
            heads = next(spelling)
            branches = [self._backend.branch(self._slot.cache, len(head)) for head in heads]
            logits = yield [
                Span(cache=branch, ids=head, num_logits=len(head)) for branch, head in zip(branches, heads, strict=True)
            ]
            spelling.send(logits)
        except StopIteration as stop:
            openings: Openings = stop.value
        places, logprobs = self._sampler.draw(openings.logprobs.expand(len(rows), -1), [row.number for row in rows])
        for row, place, logprob in zip(rows, places, logprobs, strict=True):
            for token_id in openings.heads[place]:
                self._add(row, token_id, 0.0, 0)
            self._add(row, openings.last_ids[place], logprob, 0)

    def _predict(self, text: LiveText | Recollection, logits_V: Tensor, written: Sequence[int] = ()) -> Tensor:
        """Log-probabilities V behind so many tokens of an answer, with what the user's own code says if it is asked."""
        if isinstance(text, LiveText):
            return logits_V.log_softmax(dim=0)
        if written:
            text = text.copy()
            for token_id in written:
                text.add(token_id)
        return mixed(logits_V, text.expectations())

    def _take(self, rows: list[_Row], logits: Sequence[Tensor]) -> None:
        """Draw each row's next token, and go on drawing where it is the draft that was read behind it."""
        place, going_on = 0, list(range(len(rows)))
        while going_on:
            logprobs_BV = torch.stack([self._predict(rows[index].text, logits[index][place]) for index in going_on])
            ids, logprobs = self._sampler.draw(logprobs_BV, [rows[index].number for index in going_on])
            drawn = zip(going_on, ids, logprobs, strict=True)
            going_on = [index for index, token_id, logprob in drawn if self._add(rows[index], token_id, logprob, place)]
            place += 1

    def _add(self, row: _Row, token_id: int, logprob: float, place: int) -> bool:
        """Take a row's next token; whether it is the draft at that place, so that another one can be drawn."""
        row.continuation.add(token_id, logprob)
        is_draft = place < len(row.drafts) and row.drafts[place] == token_id
        goes_on = is_draft and row.continuation.finish_reason is None
        if not is_draft:
            row.unread.append(token_id)
        row.text.add(token_id)
        if not goes_on and row.drafts:
            self._settle(row, place + is_draft)
        return goes_on

    def _settle(self, row: _Row, num_accepted: int) -> None:
        """Forget the drafts that were wrong."""
        assert row.drafter is not None
        row.drafter.learn(min(num_accepted + 1, len(row.drafts)), num_accepted)
        self._num_drafted += len(row.drafts)
        self._num_accepted += num_accepted
        num_tokens = row.cache.num_tokens - (len(row.drafts) - num_accepted)
        if row.cache is self._slot.cache:
            self._slot.truncate(num_tokens)
        else:
            row.cache.truncate(num_tokens)

    def _drafts(self, row: _Row, num_rows: int) -> list[int]:
        """Guesses that fit the window, the token limit, and a pass that all rows share."""
        if row.drafter is None:
            return []
        room = self._max_new_tokens - row.continuation.num_drawn - 1
        limit = min(room, self._backend.draft_tokens // num_rows)
        if limit <= 0:
            return []
        return row.drafter.draft(limit, self._backend.draft_cost)

    def _span(self, row: _Row) -> AnySpan:
        return Span(cache=row.cache, ids=[*row.unread, *row.drafts], num_logits=1 + len(row.drafts))

    def _expired(self) -> bool:
        return self._deadline is not None and self._clock() >= self._deadline
