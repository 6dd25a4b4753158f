"""Decodes one request, step by step: after every forward pass the caller may look up, and stop for good.

Knows the network, a cache slot and the tokenizer; knows nothing of queues, threads or sockets.

Shape suffixes: B rows, T new tokens, V vocabulary.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from functools import partial

import torch
from torch import Tensor

from lsp_server.engine.api import CompletionRequest, CompletionResult, FinishReason, OnTokens, Timings
from lsp_server.engine.continuation import Continuation, Detokenizer, ranked
from lsp_server.engine.kv_cache import CacheRows, Slot
from lsp_server.engine.sampler import Sampler
from lsp_server.errors import PromptError
from lsp_server.model.gpt2 import GPT2

PREFILL_TOKENS = 128
"""Prompt tokens in one step: small enough that a cancelled prefill ends within tens of milliseconds on a CPU."""


def check_prompt(network: GPT2, prompt_ids: Sequence[int]) -> None:
    """Raises: PromptError when the network cannot read the prompt."""
    if not prompt_ids:
        raise PromptError("the prompt is empty: send at least one token")
    if len(prompt_ids) > network.config.context_tokens:
        window = network.config.context_tokens
        raise PromptError(f"the prompt has {len(prompt_ids)} tokens, the model's window {window}: shorten it")
    strange = next((number for number in prompt_ids if not 0 <= number < network.config.vocab_size), None)
    if strange is not None:
        size = network.config.vocab_size
        raise PromptError(f"the prompt holds token id {strange}, the vocabulary ends at {size - 1}: encode it again")


@torch.inference_mode()
def forward(network: GPT2, ids: Sequence[Sequence[int]], rows: CacheRows) -> Tensor:
    """Logits after the last of each row's new tokens, BV, in fp32."""
    ids_BT = torch.tensor(ids, device=network.wte.weight.device)
    return network(ids_BT, rows, last_only=True).float()  # type: ignore[no-any-return]  # nn.Module calls are Any


def prefill(network: GPT2, slot: Slot, prompt_ids: Sequence[int]) -> Generator[Tensor, None, None]:
    """Read what the slot does not hold of the prompt; yields the logits after each step, the last one's counts.

    A caller that stops early leaves the slot with what was read so far.
    """
    for start in range(slot.reuse(prompt_ids), len(prompt_ids), PREFILL_TOKENS):
        chunk = prompt_ids[start : start + PREFILL_TOKENS]
        logits_BV = forward(network, [chunk], slot.rows)
        slot.extend(chunk)
        yield logits_BV


class Decoding:
    """One request on its way from prompt to candidates."""

    def __init__(
        self,
        network: GPT2,
        tokenizer: Detokenizer,
        slot: Slot,
        request: CompletionRequest,
        *,
        received_at: float,
        on_tokens: OnTokens | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`received_at` is when the engine received the request, on `clock`, in seconds."""
        self._network, self._slot, self._request, self._clock = network, slot, request, clock
        self._received_at = received_at
        self._deadline = None if request.deadline_ms is None else received_at + request.deadline_ms / 1000
        window_tokens = network.config.context_tokens - len(request.prompt_ids) + 1  # the last needs no position
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
        self._num_steps = 0
        self._num_reused = 0

    def steps(self) -> Generator[None, None, CompletionResult]:
        """Yields after every forward pass; returns the ranked candidates."""
        started_at = self._clock()
        logits_BV = yield from self._read_prompt()
        prefilled_at = self._clock()
        if logits_BV is not None:
            yield from self._write(logits_BV)
        self._finish_all(FinishReason.DEADLINE)
        return CompletionResult(
            candidates=ranked([each.candidate() for each in self._continuations]),
            timings=Timings(
                queue_ms=(started_at - self._received_at) * 1000,
                prefill_ms=(prefilled_at - started_at) * 1000,
                decode_ms=(self._clock() - prefilled_at) * 1000,
                prompt_tokens=len(self._request.prompt_ids),
                reused_tokens=self._num_reused,
                new_tokens=self._num_steps,
            ),
        )

    def _read_prompt(self) -> Generator[None, None, Tensor | None]:
        """The logits after the prompt, or None when the deadline passed before."""
        if self._expired():
            return None
        prompt_ids = self._request.prompt_ids
        if self._request.sampling.seed is not None:
            self._slot.clear()  # what was read in other portions differs in the last digit, and may tip a draw
        self._num_reused = self._slot.reuse(prompt_ids)
        logits_BV = None
        for logits_BV in prefill(self._network, self._slot, prompt_ids):
            yield
            if self._expired():
                return logits_BV if len(self._slot.ids) == len(prompt_ids) else None
        return logits_BV

    def _write(self, logits_BV: Tensor) -> Generator[None, None, None]:
        """Draw, feed back, and drop each row as it ends."""
        unfinished = self._continuations
        sampler = Sampler(self._request.sampling, len(unfinished))
        rows = self._slot.rows
        if len(unfinished) > 1:
            rows = rows.fork(len(unfinished), self._max_new_tokens)
            logits_BV = logits_BV.expand(len(unfinished), -1)
        while True:
            self._num_steps += 1
            ids, logprobs = sampler.draw(logits_BV)
            for continuation, token_id, logprob in zip(unfinished, ids, logprobs, strict=True):
                continuation.add(token_id, logprob)
            going_on = [row for row, each in enumerate(unfinished) if each.finish_reason is None]
            if not going_on or self._expired():
                return
            if len(going_on) < len(unfinished):
                rows.keep(going_on)
                sampler.keep(going_on)
                unfinished = [unfinished[row] for row in going_on]
            logits_BV = self._feed([ids[row] for row in going_on], rows)
            yield

    def _feed(self, ids: Sequence[int], rows: CacheRows) -> Tensor:
        logits_BV = forward(self._network, [[token_id] for token_id in ids], rows)
        if rows is self._slot.rows:
            self._slot.extend(ids)
        return logits_BV

    def _finish_all(self, reason: FinishReason) -> None:
        for continuation in self._continuations:
            if continuation.finish_reason is None:
                continuation.finish(reason)

    def _expired(self) -> bool:
        return self._deadline is not None and self._clock() >= self._deadline
