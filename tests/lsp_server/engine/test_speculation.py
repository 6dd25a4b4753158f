"""What is drafted, and how much of it; that drafts change no answer."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from conftest import needs_kernel

from lsp_server.engine.api import CompletionRequest, SamplingParams, StopRule
from lsp_server.engine.backend import Backend, Span
from lsp_server.engine.decoding import Decoding
from lsp_server.engine.native_backend import NativeBackend
from lsp_server.engine.slots import SlotPool
from lsp_server.engine.speculation import Drafter, draft_length
from lsp_server.model.gpt2 import GPT2
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.recall.live_text import LiveText
from lsp_server.recall.recollection import Recollection
from lsp_server.recall.suffix_index import SuffixIndex

AnyBackend = Backend[Any]  # Any: each has a cache of its own kind


class FixedTable:
    """Always proposes the same tokens."""

    def __init__(self, *ids: int) -> None:
        self._ids = list(ids)
        self.least: list[float] = []

    def propose(self, ids: Sequence[int], limit: int, least: float) -> list[int]:
        self.least.append(least)
        return self._ids[:limit]


def drafter_for(ids: Sequence[int], table: FixedTable | None = None) -> Drafter:
    return Drafter(LiveText([ids]), table)


@pytest.mark.parametrize(
    ("text", "expected", "reason"),
    [
        ([1, 2, 3, 4, 5, 1, 2], [3, 4, 5, 1, 2], "the only earlier place"),
        ([1, 2, 3, 9, 1, 2, 4, 9, 1, 2], [4, 9, 1, 2], "of two places the later one"),
        ([7, 1, 2, 3, 9, 8, 1, 2, 4, 9, 7, 1, 2], [3, 9, 8, 1, 2, 4, 9, 7], "but a longer match before all"),
        ([5, 5, 5], [5], "a match may overlap the end"),
        ([1, 2, 3, 4], [], "nothing stood here before"),
        ([1, 9, 2, 9], [], "one token alone is no match"),
        ([1], [], "too short"),
        ([0x01020304, 0x02030401, 5, 0x03040102], [], "the same bytes between two tokens are no match"),
    ],
)
def test_the_draft_is_what_followed_the_longest_latest_match(text: list[int], expected: list[int], reason: str) -> None:
    assert drafter_for(text).draft(8, 0.0) == expected, reason


def test_the_text_written_so_far_is_searched_too() -> None:
    text = LiveText([[1, 2]])
    for token_id in (3, 4, 1, 2):
        text.add(token_id)
    assert Drafter(text).draft(2, 0.0) == [3, 4]


def test_the_draft_equals_that_of_a_plain_search() -> None:
    generator = random.Random(3)
    for _ in range(300):
        text = [generator.choice((1, 2, 256, 2**24)) for _ in range(generator.randint(1, 40))]
        assert drafter_for(text).draft(4, 0.0) == plain_search(text, 4), text


def plain_search(text: list[int], limit: int) -> list[int]:
    """The slow twin."""
    for length in range(16, 1, -1):
        for start in range(len(text) - length - 1, -1, -1):
            if text[start : start + length] == text[len(text) - length :]:
                return text[start + length :][:limit]
    return []


@pytest.mark.parametrize(("other", "expected"), [([5, 4, 1, 2, 8, 7], [8, 7]), ([5, 6, 1, 2, 8, 7], [3, 4])])
def test_the_users_other_code_is_followed_where_its_match_is_longer(other: list[int], expected: list[int]) -> None:
    text = Recollection([[1, 2, 3, 4, 1, 2]], index=SuffixIndex({"other.py": other}))
    assert Drafter(text).draft(2, 0.0) == expected


def test_without_an_example_in_the_text_the_table_is_asked() -> None:
    table = FixedTable(7, 8)
    assert drafter_for([1, 2, 3], table).draft(1, 0.18) == [7]
    assert drafter_for([1, 2, 3, 1, 2], table).draft(1, 0.2) == [3]
    assert table.least == [pytest.approx(0.2)], "a share of which nine tenths hold"


@pytest.mark.parametrize(
    ("acceptance", "cost", "length"),
    [(0.8, 0.25, 6), (0.5, 0.25, 2), (0.5, 0.6, 0), (1.0, 0.9, 8), (0.0, 0.1, 0), (0.9, 0.0, 8), (0.9, 1.0, 0)],
)
def test_a_draft_is_as_long_as_its_last_token_pays(acceptance: float, cost: float, length: int) -> None:
    assert draft_length(acceptance, cost, 8) == length


def test_a_text_whose_drafts_fail_gets_shorter_ones() -> None:
    drafter = drafter_for([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 2])
    before = len(drafter.draft(8, 0.3))
    for _ in range(6):
        drafter.learn(1, 0)
    assert len(drafter.draft(8, 0.3)) < before


class DraftingBackend:
    """A back end that is said to verify drafts cheaply, so that as many as possible are tried."""

    def __init__(self, backend: AnyBackend, draft_tokens: int) -> None:
        self._backend = backend
        self.draft_tokens = draft_tokens
        self.draft_cost = 0.01

    def __getattr__(self, name: str) -> Any:  # Any: whatever the back end has
        return getattr(self._backend, name)


class ShiftingTable:
    """Proposes what the greedy answer would be, but wrong at every third place, so that all outcomes occur."""

    def __init__(self, answer: list[int], prompt: list[int]) -> None:
        self._text = [*prompt, *answer]
        self._count = 0

    def propose(self, ids: Sequence[int], limit: int, least: float) -> list[int]:
        self._count += 1
        place = next(
            (end for end in range(len(self._text), 1, -1) if self._text[end - 2 : end] == list(ids)[-2:]), None
        )
        proposed = [] if place is None else self._text[place : place + limit]
        wrong = self._count % 3
        return [9 if index == wrong else token_id for index, token_id in enumerate(proposed)]


def decode(
    backend: AnyBackend,
    tokenizer: CodeTokenizer,
    prompt_ids: list[int],
    sampling: SamplingParams,
    table: Any = None,  # Any: a DraftTable
    *,
    recollection: Recollection | None = None,
    check: bool = True,
) -> tuple[list[tuple[int, ...]], int]:
    """The candidates' tokens, and how many drafts were right; the slot is checked against the tokens it should hold."""
    request = CompletionRequest(document="d", prompt_ids=tuple(prompt_ids), sampling=sampling, stop=StopRule.NONE)
    with SlotPool(backend).use("d") as slot:
        steps = Decoding(
            backend, tokenizer, slot, request, received_at=0.0, draft_table=table, recollection=recollection
        ).steps()
        logits = None
        while True:
            try:
                logits = backend.forward(steps.send(logits))  # type: ignore[arg-type]  # None only starts it
            except StopIteration as stop:
                result = stop.value
                break
        if check:
            check_slot(backend, slot)
    return [each.token_ids for each in result.candidates], result.timings.accepted_drafts


def check_slot(backend: AnyBackend, slot: Any) -> None:  # Any: of the back end's cache
    """What the slot holds gives the same logits as the same tokens read anew."""
    if slot.cache.num_tokens == backend.context_tokens:
        slot.truncate(slot.cache.num_tokens - 1)
    ids = [*slot.ids, 9]
    fresh = backend.forward([Span(cache=backend.new_cache(), ids=ids)])[0]
    torch.testing.assert_close(backend.forward([Span(cache=slot.cache, ids=[9])])[0], fresh, rtol=1e-4, atol=1e-4)


def test_greedy_text_with_drafts_is_the_text_without(backend: AnyBackend, tokenizer: CodeTokenizer) -> None:
    sampling = SamplingParams(temperature=0.0, max_new_tokens=40)
    num_accepted = 0
    for seed in range(8):
        generator = random.Random(seed)
        prompt_ids = [generator.randrange(5, 290) for _ in range(generator.randint(2, 60))]
        plain, _ = decode(DraftingBackend(backend, 0), tokenizer, prompt_ids, sampling)  # type: ignore[arg-type]
        table = ShiftingTable(list(plain[0]), prompt_ids)
        for draft_tokens in (1, 3, 8):
            drafting = DraftingBackend(backend, draft_tokens)
            drafted, accepted = decode(drafting, tokenizer, prompt_ids, sampling, table)  # type: ignore[arg-type]
            assert drafted == plain
            num_accepted += accepted
    assert num_accepted > 50


def test_drafts_of_other_files_change_no_answer_and_save_passes(backend: AnyBackend, tokenizer: CodeTokenizer) -> None:
    """The index holds what the model would say by itself, with some tokens wrong; all of it is a match of sorts."""
    sampling = SamplingParams(temperature=0.0, max_new_tokens=40)
    num_accepted = 0
    for seed in range(4):
        generator = random.Random(seed)
        prompt_ids = [generator.randrange(5, 290) for _ in range(30)]
        (answer,), _ = decode(DraftingBackend(backend, 0), tokenizer, prompt_ids, sampling)  # type: ignore[arg-type]
        wrong = [9 if place % 7 == 6 else token_id for place, token_id in enumerate(answer)]
        texts = {"other": np.asarray([*prompt_ids[-5:], *wrong], dtype=np.uint32)}
        recollections = [Recollection([prompt_ids], index=SuffixIndex(texts)) for _ in range(2)]
        plain, drafted = (
            decode(DraftingBackend(backend, tokens), tokenizer, prompt_ids, sampling, recollection=recollection)  # type: ignore[arg-type]
            for tokens, recollection in zip((0, 8), recollections, strict=True)
        )
        assert drafted[0] == plain[0]
        num_accepted += drafted[1]
    assert num_accepted > 20


@needs_kernel
def test_seeded_samples_with_drafts_are_those_without(network: GPT2, tokenizer: CodeTokenizer) -> None:
    """On the native back end logits are equal to the last bit, and each row draws the same random numbers."""
    backend = NativeBackend(network, 1)
    sampling = SamplingParams(temperature=0.4, num_candidates=3, max_new_tokens=40, seed=5)
    num_accepted = 0
    for seed in range(6):
        generator = random.Random(seed)
        prompt_ids = [generator.randrange(5, 290) for _ in range(20)] * 2
        plain, _ = decode(DraftingBackend(backend, 0), tokenizer, prompt_ids, sampling)  # type: ignore[arg-type]
        table = ShiftingTable(list(plain[0]), prompt_ids)
        drafting = DraftingBackend(backend, 8)
        drafted, accepted = decode(drafting, tokenizer, prompt_ids, sampling, table)  # type: ignore[arg-type]
        assert drafted == plain
        num_accepted += accepted
    assert num_accepted > 10


class LikeliestTable:
    """Proposes the likeliest token behind the last one."""

    def __init__(self, likeliest: dict[int, int]) -> None:
        self._likeliest = likeliest

    def propose(self, ids: Sequence[int], limit: int, least: float) -> list[int]:
        return [self._likeliest[ids[-1]]] if ids[-1] in self._likeliest else []


@needs_kernel
def test_samples_with_drafts_follow_the_networks_distribution(network: GPT2, tokenizer: CodeTokenizer) -> None:
    """Chi-square over pairs of tokens, the second drafted as the likeliest one, against the network's probabilities.

    By Laurent and Massart (2000), lemma 1, a right implementation exceeds it for one choice of seeds in a million.
    """
    backend = NativeBackend(network, 1)
    prompt_ids, num_draws = [50, 60, 70, 80], 2000
    firsts = top_four(backend, prompt_ids)
    seconds = {first: top_four(backend, [*prompt_ids, first]) for first in firsts}
    expected = {(i, j): num_draws * firsts[i] * p for i, found in seconds.items() for j, p in found.items()}
    assert not {token_id for pair in expected for token_id in pair} & set(tokenizer.sentinel_ids.values())
    table = LikeliestTable({first: max(found, key=found.__getitem__) for first, found in seconds.items()})
    drafting: AnyBackend = DraftingBackend(backend, 8)  # type: ignore[assignment]
    counts: Counter[tuple[int, ...]] = Counter()
    num_accepted = 0
    for seed in range(num_draws):
        sampling = SamplingParams(temperature=TEMPERATURE, top_k=4, top_p=1.0, max_new_tokens=3, seed=seed)
        (ids,), accepted = decode(drafting, tokenizer, prompt_ids, sampling, table, check=False)
        num_accepted += accepted
        counts[ids[:2]] += 1
    chi_square = sum((counts[pair] - mean) ** 2 / mean for pair, mean in expected.items())
    log_odds = math.log(1e6)
    assert min(expected.values()) >= 5
    assert num_accepted > 300
    assert chi_square < len(expected) + 2 * math.sqrt(len(expected) * log_odds) + 2 * log_odds


TEMPERATURE = 6.0


def top_four(backend: AnyBackend, ids: list[int]) -> dict[int, float]:
    """The four likeliest next tokens and their probabilities among them."""
    logits_V = backend.forward([Span(cache=backend.new_cache(), ids=ids)])[0][-1]
    top = (logits_V / TEMPERATURE).topk(4)
    return dict(zip(top.indices.tolist(), top.values.softmax(0).tolist(), strict=True))
