"""Openings against the slow twin: every way that the tokenizer has of spelling the text and more, each read anew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from lsp_server.engine import healing
from lsp_server.engine.api import CompletionRequest, Recall, SamplingParams, StopRule
from lsp_server.engine.backend import Backend, Span
from lsp_server.engine.healing import Healer, Openings
from lsp_server.engine.resident import ResidentModel
from lsp_server.engine.torch_backend import TorchBackend
from lsp_server.model.gpt2 import GPT2
from lsp_server.model.tokenizer import CodeTokenizer

PROMPT = "def add(left, right):\n    return left + right\n\n\ndef "
GREEDY = SamplingParams(temperature=0.0, max_new_tokens=12)
ASCII_PIECES = ["def", "return", "le", " righ", " ", "\n    ", ":", "x", "add", "left", " +"]
PIECES = [*ASCII_PIECES, "ö"]
AnyBackend = Backend[Any]  # Any: each has a cache of its own kind


def logits_behind(backend: AnyBackend, ids: list[int]) -> Tensor:
    """In one piece, into a new cache."""
    return backend.forward([Span(cache=backend.new_cache(), ids=ids)])[0][-1]


def log_softmax(logits_V: Tensor, _written: Sequence[int]) -> Tensor:
    return logits_V.log_softmax(dim=0)


def openings_of(backend: AnyBackend, tokenizer: CodeTokenizer, ids: list[int], text: str) -> Openings:
    steps = Healer(tokenizer.spellings(), tokenizer.encode).spell(text, log_softmax, logits_behind(backend, ids))
    try:
        heads = next(steps)
        logits = []
        for head in heads:
            cache = backend.new_cache()
            logits.append(backend.forward([Span(cache=cache, ids=[*ids, *head], num_logits=len(head))])[0])
        steps.send(logits)
    except StopIteration as stop:
        openings: Openings = stop.value
    return openings


def all_openings(
    backend: AnyBackend, tokenizer: CodeTokenizer, ids: list[int], text: str
) -> dict[tuple[int, ...], float]:
    """The slow twin: by the tokenizer's own word for how each head is spelt, and by one pass for each token."""
    found: dict[tuple[int, ...], float] = {}
    for at in range(len(text)):
        head, rest = tokenizer.encode(text[:at]), text[at:].encode()
        logprob = 0.0
        for place, token_id in enumerate(head):
            logprob += float(logits_behind(backend, [*ids, *head[:place]]).log_softmax(0)[token_id])
        logprobs_V = logits_behind(backend, [*ids, *head]).log_softmax(0)
        for token_id in range(tokenizer.vocab_size):
            is_text = token_id not in tokenizer.sentinel_ids.values()
            if is_text and tokenizer.decode_bytes([token_id]).startswith(rest):
                found[(*head, token_id)] = logprob + float(logprobs_V[token_id])
    return found


@pytest.mark.parametrize("text", ASCII_PIECES)
def test_openings_are_all_spellings_with_their_probabilities(
    backend: AnyBackend, tokenizer: CodeTokenizer, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(healing, "LEAST_SHARE", 1e-300)
    monkeypatch.setattr(healing, "MOST_HEADS", 1000)
    ids = tokenizer.encode(PROMPT)
    openings = openings_of(backend, tokenizer, ids, text)
    spelt = [(*head, last) for head, last in zip(openings.heads, openings.last_ids, strict=True)]
    expected = all_openings(backend, tokenizer, ids, text)
    assert sorted(spelt) == sorted(expected)
    for ids_of_one, logprob in zip(spelt, openings.logprobs.tolist(), strict=True):
        assert logprob == pytest.approx(expected[ids_of_one], abs=2e-3)


@pytest.mark.parametrize("text", ASCII_PIECES)
def test_what_is_left_out_hardly_changes_the_sum(network: GPT2, tokenizer: CodeTokenizer, text: str) -> None:
    backend = TorchBackend(network, "torch float32")
    ids = tokenizer.encode(PROMPT)
    openings = openings_of(backend, tokenizer, ids, text)
    expected = all_openings(backend, tokenizer, ids, text)
    total = math.log(sum(map(math.exp, expected.values())))
    lost = 1 - math.exp(float(openings.logprobs.logsumexp(0)) - total)
    assert -1e-2 <= lost <= healing.LEAST_SHARE * len(text) + 1e-2


def request_of(tokenizer: CodeTokenizer, text: str, **changes: object) -> CompletionRequest:
    values: dict[str, Any] = {"document": "d", "sampling": GREEDY, "stop": StopRule.NONE, **changes}
    return CompletionRequest(prompt_ids=tuple(tokenizer.encode(text)), **values)


def complete(model: ResidentModel, request: CompletionRequest) -> Any:
    steps, logits = model.complete(request, 0.0), None
    while True:
        try:
            spans = steps.send(logits)
        except StopIteration as stop:
            return stop.value
        logits = model.forward(spans)


@pytest.mark.parametrize("recall", [None, Recall()], ids=["the model alone", "with the document's memory"])
def test_a_cursor_inside_a_token_changes_no_greedy_answer(
    model: ResidentModel, tokenizer: CodeTokenizer, recall: Recall | None
) -> None:
    """Where the first token is written in part, the likeliest spelling of the part is still that token."""
    num_places = 0
    for prompt in ("def add(left, right):", "left + ri", "pass", "(left", "class", "def"):
        whole = complete(model, request_of(tokenizer, prompt, recall=recall)).candidates[0]
        first = tokenizer.decode_bytes([whole.token_ids[0]]).decode(errors="replace")
        for at in range(1, len(first) + 1) if first.isascii() else ():
            request = request_of(tokenizer, prompt, recall=recall, begins_with=first[:at])
            healed = complete(model, request).candidates[0]
            assert (healed.text, healed.token_ids) == (whole.text[at:], whole.token_ids)
            num_places += at < len(first)
    assert num_places > 0


def test_every_sampled_answer_begins_as_it_must(model: ResidentModel, tokenizer: CodeTokenizer) -> None:
    sampling = SamplingParams(temperature=1.5, top_p=1.0, num_candidates=4, max_new_tokens=4, seed=3)
    for piece in PIECES[::3]:
        result = complete(model, request_of(tokenizer, "class ", begins_with=piece, sampling=sampling))
        assert len(result.candidates) == 4
        for candidate in result.candidates:
            spelt = tokenizer.decode_bytes(candidate.token_ids)
            assert spelt.startswith(piece.encode())
            assert candidate.text in spelt.removeprefix(piece.encode()).decode(errors="replace")


def test_samples_follow_the_probabilities_of_the_openings(network: GPT2, tokenizer: CodeTokenizer) -> None:
    """800 samples: a chi-squared value this large comes once in a million runs by chance."""
    backend = TorchBackend(network, "torch float32")
    model = ResidentModel(backend, tokenizer, "tiny")
    text, ids = "r", tokenizer.encode(PROMPT)
    expected = all_openings(backend, tokenizer, ids, text)
    total = sum(map(math.exp, expected.values()))
    counts = dict.fromkeys(expected, 0)
    for seed in range(100):
        sampling = SamplingParams(temperature=1.0, top_p=1.0, num_candidates=8, max_new_tokens=1, seed=8 * seed)
        request = request_of(tokenizer, PROMPT, begins_with=text, sampling=sampling)
        for candidate in complete(model, request).candidates:
            counts[candidate.token_ids[:1]] += 1
    squares = 0.0
    for opening, logprob in expected.items():
        mean = 800 * math.exp(logprob) / total
        squares += (counts[opening] - mean) ** 2 / mean
    degrees = len(expected) - 1
    assert squares < degrees + 5 * math.sqrt(2 * degrees) + 25


def test_a_character_that_no_token_covers_is_spelt_as_the_tokenizer_does(tokenizer: CodeTokenizer) -> None:
    healer = Healer(tokenizer.spellings(), tokenizer.encode)
    with pytest.raises(StopIteration) as ended:
        next(healer.spell("ö", log_softmax, torch.zeros(tokenizer.vocab_size)))
    openings: Openings = ended.value.value
    assert [*openings.heads[0], openings.last_ids[0]] == tokenizer.encode("ö")
