"""Slots: what is reused, what is forgotten, and that the cache never changes a result."""

from __future__ import annotations

import pytest
import torch

from lsp_server.engine.decoding import forward, prefill
from lsp_server.engine.kv_cache import CacheRows, Slot, SlotPool
from lsp_server.model.gpt2 import GPT2

CPU = torch.device("cpu")


def pool_of(network: GPT2, max_bytes: int = 2**30) -> SlotPool:
    return SlotPool(network.config, CPU, torch.float32, max_bytes)


def read(network: GPT2, slot: Slot, ids: list[int]) -> torch.Tensor:
    return list(prefill(network, slot, ids))[-1]


def slot_bytes(network: GPT2) -> int:
    pool = pool_of(network)
    pool.open("any")
    return pool.num_bytes


@pytest.mark.parametrize(
    ("first", "second", "reused"),
    [
        ([1, 2, 3], [1, 2, 3, 4, 5], 3),  # typing at the end
        ([1, 2, 3], [1, 2, 9, 4], 2),  # a change in the middle
        ([1, 2, 3], [1, 2, 3], 2),  # the same again: the last token's logits are needed
        ([1, 2, 3, 4], [1, 2], 1),  # backspace
        ([1, 2, 3], [7, 8], 0),  # another text
        ([1, 2, 3], [9, 2, 3], 0),  # the start has moved: positions are absolute, nothing is left
    ],
)
def test_the_common_prefix_is_reused_and_logits_stay_those_of_a_full_pass(
    network: GPT2, first: list[int], second: list[int], reused: int
) -> None:
    slot = pool_of(network).open("document")
    read(network, slot, first)
    assert slot.reuse(second) == reused
    logits_BV = read(network, slot, second)
    torch.testing.assert_close(logits_BV, network(torch.tensor([second]))[:, -1], rtol=1e-4, atol=1e-4)
    assert slot.ids == second
    assert slot.rows.num_tokens == len(second)


def test_rows_forked_from_one_prefix_continue_independently(network: GPT2) -> None:
    slot = pool_of(network).open("document")
    read(network, slot, [1, 2, 3])
    rows = slot.rows.fork(3, 4)
    forward(network, [[4], [5], [6]], rows)
    logits_BV = forward(network, [[7], [8], [9]], rows)
    expected_BV = network(torch.tensor([[1, 2, 3, 4, 7], [1, 2, 3, 5, 8], [1, 2, 3, 6, 9]]))[:, -1]
    torch.testing.assert_close(logits_BV, expected_BV, rtol=1e-4, atol=1e-4)
    assert slot.rows.num_tokens == 3


def test_kept_rows_go_on_as_if_the_others_had_never_been(network: GPT2) -> None:
    slot = pool_of(network).open("document")
    read(network, slot, [1, 2, 3])
    rows = slot.rows.fork(3, 4)
    forward(network, [[4], [5], [6]], rows)
    rows.keep([0, 2])
    assert rows.num_rows == 2
    logits_BV = forward(network, [[7], [9]], rows)
    expected_BV = network(torch.tensor([[1, 2, 3, 4, 7], [1, 2, 3, 6, 9]]))[:, -1]
    torch.testing.assert_close(logits_BV, expected_BV, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_memory_is_allocated_once(network: GPT2) -> None:
    rows = CacheRows.allocate(network.config, num_rows=1, num_positions=64, device=CPU, dtype=torch.float32)
    before = rows.append(0, torch.zeros(1, 4, 1, 8), torch.zeros(1, 4, 1, 8))[0].data_ptr()
    rows.advance(1)
    after = rows.append(0, torch.zeros(1, 4, 1, 8), torch.zeros(1, 4, 1, 8))[0].data_ptr()
    assert before == after


def test_the_least_recently_used_slot_leaves_when_the_budget_is_spent(network: GPT2) -> None:
    budget = 2 * slot_bytes(network)
    pool = pool_of(network, budget)
    slots = {name: pool.open(name) for name in ("old", "new")}
    pool.open("old")
    pool.open("third")
    assert pool.num_bytes <= budget
    assert pool.open("old") is slots["old"]
    assert pool.open("new") is not slots["new"]


def test_a_budget_below_one_slot_still_serves_one_document(network: GPT2) -> None:
    pool = pool_of(network, 1)
    pool.open("a")
    pool.open("b")
    assert len(pool) == 1


def test_a_forgotten_document_leaves_no_slot(network: GPT2) -> None:
    pool = pool_of(network)
    pool.open("a")
    pool.forget("a")
    pool.forget("never seen")
    assert len(pool) == 0
