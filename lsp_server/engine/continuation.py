"""One candidate while it is being written: its tokens, its text so far, and when it is complete. Knows no tensors."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log
from typing import Protocol

from lsp_server.engine.api import Candidate, CompletionRequest, FinishReason, StopRule
from lsp_server.model.blocks import block_end, line_end

REPLACEMENT = "\ufffd"
"""What a decoder writes for bytes that are no UTF-8, one for all of them or one for each: at the text's end, perhaps a
character whose rest is to come."""


class Detokenizer(Protocol):
    """What turns tokens into text."""

    @property
    def sentinel_ids(self) -> dict[str, int]: ...

    def decode(self, ids: list[int], /) -> str: ...


class Continuation:
    """Takes one token after the other until a sentinel, the stop rule or the token limit ends it."""

    def __init__(
        self,
        tokenizer: Detokenizer,
        request: CompletionRequest,
        *,
        max_new_tokens: int,
        on_text: Callable[[str], None] | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._stop, self._line_prefix = request.stop, request.line_prefix
        self._begins_with = request.begins_with
        self._least_logprob = log(request.least_probability) if request.least_probability > 0 else -inf
        self._sentinels = frozenset(tokenizer.sentinel_ids.values())
        self._max_new_tokens = max_new_tokens
        self._on_text = on_text
        self._ids: list[int] = []
        self._logprobs: list[float] = []
        self._text_lengths: list[int] = []
        self._text = ""
        self._num_streamed = 0
        self.num_drawn = 0
        self.last_id = -1
        self.finish_reason: FinishReason | None = None

    def add(self, token_id: int, logprob: float) -> None:
        """Take the next token; sets `finish_reason` when it is the last one."""
        self.num_drawn += 1
        self.last_id = token_id
        if token_id in self._sentinels:  # no sentinel is text: whatever follows one belongs to another file
            self.finish(FinishReason.END_OF_TEXT)
            return
        known_length = len(self._text)
        self._ids.append(token_id)
        self._logprobs.append(logprob)
        self._text = self._tokenizer.decode(self._ids).rstrip(REPLACEMENT)[len(self._begins_with) :]
        self._text_lengths.append(len(self._text))
        end = self._stop_at()
        if sum(self._logprobs) < self._least_logprob:
            self._cut(min(_word_boundary(self._text, known_length), len(self._text) if end is None else end))
            self.finish(FinishReason.UNSURE)
        elif end is not None:
            self._cut(end)
            self.finish(FinishReason.STOP_RULE)
        elif len(self._ids) >= self._max_new_tokens:
            self.finish(FinishReason.LENGTH)
        else:
            self._stream(self._text.rstrip())  # white space at the end may yet fall behind the stop rule's cut

    def finish(self, reason: FinishReason) -> None:
        self.finish_reason = reason
        self._stream(self._text)

    def candidate(self) -> Candidate:
        assert self.finish_reason is not None
        return Candidate(
            text=self._text,
            token_ids=tuple(self._ids),
            mean_logprob=sum(self._logprobs) / len(self._logprobs) if self._logprobs else 0.0,
            finish_reason=self.finish_reason,
        )

    def _stop_at(self) -> int | None:
        if self._stop is StopRule.LINE:
            return line_end(self._text)
        if self._stop is StopRule.BLOCK:
            return block_end(self._line_prefix, self._text)
        return None

    def _cut(self, end: int) -> None:
        """Keep the text before `end` and the tokens that spell it."""
        num_tokens = next(number for number, length in enumerate([0, *self._text_lengths]) if length >= end)
        self._text = self._text[:end]
        del self._ids[num_tokens:], self._logprobs[num_tokens:]

    def _stream(self, text: str) -> None:
        if self._on_text is not None and len(text) > self._num_streamed:
            self._on_text(text[self._num_streamed :])
            self._num_streamed = len(text)


def _word_boundary(text: str, end: int) -> int:
    """`end`, or the beginning of the word that goes on behind it."""
    while 0 < end < len(text) and _is_word(text[end]) and _is_word(text[end - 1]):
        end -= 1
    return end


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def ranked(candidates: list[Candidate]) -> tuple[Candidate, ...]:
    """Best mean log-probability first; empty ones last."""
    return tuple(sorted(candidates, key=lambda each: (each.text == "", -each.mean_logprob)))
