"""Decoding against the slow twin: the whole sequence through the network again for every token."""

from __future__ import annotations

import random
from collections.abc import Generator
from typing import Any, TypeVar

import pytest
import torch

from lsp_server.engine.api import CompletionRequest, CompletionResult, FinishReason, SamplingParams, StopRule
from lsp_server.engine.backend import Backend, Span
from lsp_server.engine.decoding import PREFILL_TOKENS, Decoding
from lsp_server.engine.resident import ResidentModel
from lsp_server.engine.slots import SlotPool
from lsp_server.engine.static_backend import StaticBackend
from lsp_server.engine.torch_backend import TorchBackend
from lsp_server.errors import PromptError
from lsp_server.model.gpt2 import GPT2
from lsp_server.model.tokenizer import CodeTokenizer

T = TypeVar("T")
GREEDY = SamplingParams(temperature=0.0, max_new_tokens=24)


AnyBackend = Backend[Any]  # Any: each has a cache of its own kind


def all_logits(backend: AnyBackend, ids: list[int]) -> torch.Tensor:
    """Behind each of the tokens, read in one piece into a new cache; on static shapes, by their slow twin."""
    if isinstance(backend, StaticBackend):
        backend = TorchBackend(backend._network, "torch float32")
    return backend.forward([Span(cache=backend.new_cache(), ids=ids, num_logits=len(ids))])[0]


def greedy_by_recomputation(
    backend: AnyBackend, tokenizer: CodeTokenizer, prompt_ids: list[int], limit: int
) -> list[int]:
    """The naive loop: no reuse, no drafts, no batching."""
    ids = list(prompt_ids)
    while len(ids) - len(prompt_ids) < limit and len(ids) <= backend.context_tokens:
        best = int(all_logits(backend, ids)[-1].argmax())
        if best in tokenizer.sentinel_ids.values():
            break
        ids.append(best)
    return ids[len(prompt_ids) :]


def request_of(prompt_ids: list[int], sampling: SamplingParams = GREEDY, **changes: object) -> CompletionRequest:
    values: dict[str, object] = {"document": "d", "stop": StopRule.NONE, **changes}
    return CompletionRequest(prompt_ids=tuple(prompt_ids), sampling=sampling, **values)  # type: ignore[arg-type]


def run(backend: AnyBackend, steps: Generator[list[Any], list[Any], T]) -> tuple[T, int]:
    """The result, and how many forward passes it took."""
    num_passes = 0
    logits = None
    while True:
        try:
            spans = steps.send(logits)  # type: ignore[arg-type]  # None only starts it
        except StopIteration as stop:
            return stop.value, num_passes
        logits = backend.forward(spans)
        num_passes += 1


def complete(model: ResidentModel, request: CompletionRequest) -> CompletionResult:
    return run(model._backend, model.complete(request, 0.0))[0]


def random_ids(count: int, seed: int = 0) -> list[int]:
    generator = random.Random(seed)
    return [generator.randrange(5, 290) for _ in range(count)]


@pytest.mark.parametrize("num_prompt_tokens", [1, 2, 17, PREFILL_TOKENS, PREFILL_TOKENS + 1, 150])
def test_greedy_tokens_are_those_of_full_recomputation(
    model: ResidentModel, backend: AnyBackend, tokenizer: CodeTokenizer, num_prompt_tokens: int
) -> None:
    prompt_ids = random_ids(num_prompt_tokens, seed=num_prompt_tokens)
    result = complete(model, request_of(prompt_ids))
    expected = greedy_by_recomputation(backend, tokenizer, prompt_ids, GREEDY.max_new_tokens)
    assert list(result.candidates[0].token_ids) == expected
    assert result.timings.reused_tokens == 0


def test_an_editing_session_over_one_slot_gives_the_tokens_of_full_recomputation(
    model: ResidentModel, backend: AnyBackend, tokenizer: CodeTokenizer
) -> None:
    """Typing, backspace, accepting, jumping and candidates in between; every answer as if the slot were new."""
    generator = random.Random(5)
    prompt_ids = random_ids(20)
    num_reused = 0
    for step in range(25):
        action = generator.choice(["type", "delete", "accept", "jump", "sample"])
        if action == "type":
            prompt_ids = prompt_ids + random_ids(generator.randint(1, 4), seed=step)
        elif action == "delete":
            prompt_ids = prompt_ids[: max(1, len(prompt_ids) - generator.randint(1, 5))]
        elif action == "jump":
            prompt_ids = random_ids(generator.randint(1, 60), seed=step)
        elif action == "sample":
            complete(model, request_of(prompt_ids, SamplingParams(num_candidates=3, max_new_tokens=5, seed=step)))
        result = complete(model, request_of(prompt_ids))
        expected = greedy_by_recomputation(backend, tokenizer, prompt_ids, GREEDY.max_new_tokens)
        assert list(result.candidates[0].token_ids) == expected, action
        num_reused += result.timings.reused_tokens
        if action == "accept":
            prompt_ids = (prompt_ids + expected)[:100]
    assert num_reused > 200


def test_typing_one_token_costs_one_token_of_prefill(model: ResidentModel) -> None:
    prompt_ids = random_ids(40)
    complete(model, request_of(prompt_ids))
    result = complete(model, request_of([*prompt_ids, 9]))
    assert (result.timings.prompt_tokens, result.timings.reused_tokens) == (41, 40)


def test_an_accepted_answer_is_found_in_the_slot(model: ResidentModel) -> None:
    prompt_ids = random_ids(40)
    answer = complete(model, request_of(prompt_ids)).candidates[0].token_ids
    result = complete(model, request_of([*prompt_ids, *answer[:10], 7]))
    assert result.timings.reused_tokens == 50


def test_a_seeded_request_repeats_to_the_last_digit_and_candidates_do_not_see_each_other(model: ResidentModel) -> None:
    sampling = SamplingParams(temperature=1.0, num_candidates=4, max_new_tokens=12, seed=11)
    first = complete(model, request_of(random_ids(20), sampling))
    complete(model, request_of(random_ids(13)))
    assert complete(model, request_of(random_ids(20), sampling)).candidates == first.candidates
    assert len({candidate.token_ids for candidate in first.candidates}) == 4
    alone = complete(model, request_of(random_ids(20), SamplingParams(temperature=1.0, max_new_tokens=12, seed=11)))
    assert alone.candidates[0].token_ids in {candidate.token_ids for candidate in first.candidates}


def test_a_nearly_cold_sample_of_several_candidates_is_greedy(
    model: ResidentModel, backend: AnyBackend, tokenizer: CodeTokenizer
) -> None:
    sampling = SamplingParams(temperature=1e-6, num_candidates=3, max_new_tokens=15, seed=0)
    result = complete(model, request_of(random_ids(20), sampling))
    expected = greedy_by_recomputation(backend, tokenizer, random_ids(20), 15)
    assert [list(each.token_ids) for each in result.candidates] == [expected] * 3


def test_mean_logprob_is_the_networks_own(model: ResidentModel, backend: AnyBackend) -> None:
    prompt_ids = random_ids(10)
    for sampling in (GREEDY, SamplingParams(temperature=1.3, num_candidates=3, seed=2, max_new_tokens=10)):
        for candidate in complete(model, request_of(prompt_ids, sampling)).candidates:
            ids = [*prompt_ids, *candidate.token_ids]
            logprobs_TV = all_logits(backend, ids).log_softmax(-1)
            places = range(len(prompt_ids), len(ids))
            expected = sum(logprobs_TV[place - 1, ids[place]].item() for place in places) / len(places)
            assert candidate.mean_logprob == pytest.approx(expected, abs=1e-3)


def test_candidates_come_best_first(model: ResidentModel) -> None:
    sampling = SamplingParams(temperature=1.5, num_candidates=6, seed=2, max_new_tokens=10)
    means = [each.mean_logprob for each in complete(model, request_of(random_ids(10), sampling)).candidates]
    assert means == sorted(means, reverse=True)


def test_greedy_gives_one_candidate_because_all_would_be_equal(model: ResidentModel) -> None:
    sampling = SamplingParams(temperature=0.0, num_candidates=5, max_new_tokens=3)
    assert len(complete(model, request_of(random_ids(10), sampling)).candidates) == 1


def test_the_windows_end_ends_the_answer(model: ResidentModel, backend: AnyBackend) -> None:
    """The last token needs no position: a prompt that fills the window still gets one."""
    full = backend.context_tokens
    for num_prompt_tokens, limit in ((full, 1), (full - 1, 2)):
        result = complete(model, request_of(random_ids(num_prompt_tokens, seed=3)))
        assert len(result.candidates[0].token_ids) == limit
        assert result.candidates[0].finish_reason is FinishReason.LENGTH


@pytest.mark.parametrize(
    ("prompt_ids", "message"),
    [
        ([], "empty"),
        ([5] * 161, "161 tokens, the model's window 160"),
        ([5, 290], "token id 290, the vocabulary ends at 289"),
        ([5, -1], "token id -1"),
        ([2**70], "token id"),
    ],
    ids=["empty", "too long", "too large an id", "negative id", "no 64-bit number"],
)
def test_a_prompt_the_network_cannot_read_is_refused(model: ResidentModel, prompt_ids: list[int], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        complete(model, request_of(prompt_ids))
    with pytest.raises(PromptError, match=message):
        list(model.prefill("d", tuple(prompt_ids)))


class Clock:
    """Advances one second at every look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.mark.parametrize("deadline_ms", [1, 2_500, 4_500, 9_500])
def test_after_the_deadline_the_answer_is_what_there_is(
    backend: AnyBackend, tokenizer: CodeTokenizer, deadline_ms: int
) -> None:
    request = request_of(random_ids(150), deadline_ms=deadline_ms)
    with SlotPool(backend).use("d") as slot:
        decoding = Decoding(backend, tokenizer, slot, request, received_at=0.0, clock=Clock())
        result, num_steps = run(backend, decoding.steps())
    [candidate] = result.candidates
    assert candidate.finish_reason is FinishReason.DEADLINE
    expected = greedy_by_recomputation(backend, tokenizer, random_ids(150), 24)
    assert list(candidate.token_ids) == expected[: len(candidate.token_ids)]
    assert num_steps < 10


def test_a_request_abandoned_in_the_middle_leaves_a_slot_that_is_right(
    model: ResidentModel, backend: AnyBackend, tokenizer: CodeTokenizer
) -> None:
    prompt_ids = random_ids(140)
    for num_steps in (1, 2, 4):
        steps = model.complete(request_of(prompt_ids), 0.0)
        spans = next(steps)
        for _ in range(num_steps):
            spans = steps.send(model.forward(spans))
        steps.close()
        longer = [*prompt_ids, 50, 60]
        result = complete(model, request_of(longer))
        expected = greedy_by_recomputation(backend, tokenizer, longer, GREEDY.max_new_tokens)
        assert list(result.candidates[0].token_ids) == expected


def test_a_prefill_makes_the_request_after_it_warm(model: ResidentModel) -> None:
    prompt_ids = random_ids(140)
    assert run(model._backend, model.prefill("d", tuple(prompt_ids)))[1] == 2
    assert complete(model, request_of([*prompt_ids, 8])).timings.reused_tokens == 140


def test_streamed_text_is_the_answers_text(model: ResidentModel) -> None:
    texts: dict[int, str] = {}

    def on_tokens(candidate: int, text: str) -> None:
        texts[candidate] = texts.get(candidate, "") + text

    sampling = SamplingParams(temperature=1.0, num_candidates=3, seed=4, max_new_tokens=12)
    result, _ = run(model._backend, model.complete(request_of(random_ids(9), sampling), 0.0, on_tokens))
    assert sorted(texts.values()) == sorted(each.text for each in result.candidates)


def test_only_the_tokens_that_are_needed_are_read(network: GPT2, tokenizer: CodeTokenizer) -> None:
    """A pass for each chunk of the prompt, and one for each token but the last, whose logits nobody needs."""
    model = ResidentModel(TorchBackend(network, "torch float32"), tokenizer, "tiny")
    result, num_passes = run(model._backend, model.complete(request_of(random_ids(130, seed=1)), 0.0))
    assert len(result.candidates[0].token_ids) == 24
    assert num_passes == 2 + 23
    assert result.timings.num_passes == 24
