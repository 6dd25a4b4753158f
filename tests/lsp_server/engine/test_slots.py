"""Slots: what is reused, what is forgotten, and who may stay."""

from __future__ import annotations

from typing import Any

import pytest

from lsp_server.engine.backend import Backend, Span
from lsp_server.engine.slots import Slot, SlotPool

AnyBackend = Backend[Any]  # Any: each has a cache of its own kind


def fill(backend: AnyBackend, slot: Slot[Any], ids: list[int]) -> None:
    """Read all of the text, reusing what is there."""
    rest = ids[slot.reuse(ids) :]
    backend.forward([Span(cache=slot.cache, ids=rest)])
    slot.extend(rest)


def open_slot(pool: SlotPool[Any], document: str) -> Slot[Any]:
    with pool.use(document) as slot:
        return slot


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
def test_the_common_prefix_is_reused(backend: AnyBackend, first: list[int], second: list[int], reused: int) -> None:
    slot = open_slot(SlotPool(backend), "document")
    fill(backend, slot, first)
    assert slot.reuse(second) == reused
    fill(backend, slot, second)
    assert slot.ids == second
    assert slot.cache.num_tokens == len(second)


def test_the_least_recently_used_slot_leaves_when_the_budget_is_spent(backend: AnyBackend) -> None:
    budget = 2 * backend.new_cache().num_bytes
    pool = SlotPool(backend, budget)
    slots = {name: open_slot(pool, name) for name in ("old", "new")}
    open_slot(pool, "old")
    open_slot(pool, "third")
    assert pool.num_bytes <= budget
    assert open_slot(pool, "old") is slots["old"]
    assert open_slot(pool, "new") is not slots["new"]


def test_a_slot_in_use_stays_whoever_needs_room(backend: AnyBackend) -> None:
    pool = SlotPool(backend, 1)
    with pool.use("a") as slot:
        open_slot(pool, "b")
        pool.forget("a")
        assert len(pool) == 2
    assert open_slot(pool, "a") is slot
    assert len(pool) == 1, "b had to go"


def test_a_budget_below_one_slot_still_serves_one_document(backend: AnyBackend) -> None:
    pool = SlotPool(backend, 1)
    open_slot(pool, "a")
    open_slot(pool, "b")
    assert len(pool) == 1


def test_a_forgotten_document_leaves_no_slot(backend: AnyBackend) -> None:
    pool = SlotPool(backend)
    open_slot(pool, "a")
    pool.forget("a")
    pool.forget("never seen")
    assert len(pool) == 0
