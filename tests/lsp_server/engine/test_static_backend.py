"""Static shapes against their slow twin, the torch back end: through Python, and replayed from a tape as on a GPU."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
import torch
from conftest import CONTEXT_TOKENS, NUM_ROWS, VOCAB_SIZE, static_backend, tiny_network
from hypothesis import given, settings
from hypothesis import strategies as st
from tape import Tape

from lsp_server.engine.backend import Span
from lsp_server.engine.buckets import BUCKETS, Bucket
from lsp_server.engine.slots import SlotPool
from lsp_server.engine.static_backend import AT_START, StaticBackend
from lsp_server.engine.static_pool import MIN_ROWS, StaticCache
from lsp_server.engine.torch_backend import TorchBackend, TorchCache
from lsp_server.errors import EngineError

TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}


def ids_of(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(5, VOCAB_SIZE) for _ in range(count)]


@dataclass(eq=False)
class Twins:
    """The same sequence in both back ends."""

    static: StaticCache
    torch: TorchCache
    parent: Twins | None = None

    @property
    def num_tokens(self) -> int:
        assert self.static.num_tokens == self.torch.num_tokens
        return self.static.num_tokens


class Pair:
    """Both back ends on one network, always asked the same."""

    def __init__(self, static: StaticBackend) -> None:
        self.static, self.torch = static, TorchBackend(static._network, "torch float32")

    def new(self) -> Twins:
        return Twins(self.static.new_cache(), self.torch.new_cache())

    def branch(self, twins: Twins) -> Twins:
        room = CONTEXT_TOKENS - twins.num_tokens
        return Twins(self.static.branch(twins.static, room), self.torch.branch(twins.torch, room), parent=twins)

    def read(self, *asked: tuple[Twins, list[int], int]) -> None:
        """One pass over (sequence, ids, number of logits wanted) in both, whose answers must be the same."""
        static = self.static.forward([Span(cache=each.static, ids=ids, num_logits=n) for each, ids, n in asked])
        torch_ = self.torch.forward([Span(cache=each.torch, ids=ids, num_logits=n) for each, ids, n in asked])
        for found_NV, expected_NV in zip(static, torch_, strict=True):
            assert found_NV.dtype is torch.float32
            torch.testing.assert_close(found_NV, expected_NV, **TOLERANCE)
            assert found_NV.argmax(1).tolist() == expected_NV.argmax(1).tolist()


@pytest.fixture(scope="module", params=["static", "replayed"])
def shared(request: pytest.FixtureRequest) -> Pair:
    """One for the module: what was recorded for one test serves the next, as it does in an engine."""
    return Pair(static_backend(tiny_network(), None if request.param == "static" else Tape()))


@pytest.fixture
def pair(shared: Pair) -> Pair:
    assert shared.static.num_free_rows == NUM_ROWS, "another test kept a row"
    return shared


RNG = random.Random(3)


@pytest.mark.parametrize("length", [1, 2, 5, 9, 10, 32, 33, 64, 100, 128, 129, 150, CONTEXT_TOKENS])
def test_one_text_of_any_length(pair: Pair, length: int) -> None:
    pair.read((pair.new(), ids_of(RNG, length), length))


@pytest.mark.parametrize("num_wanted", [0, 1, 2, 30, 130, 150])
def test_only_the_logits_that_are_wanted_come_back(pair: Pair, num_wanted: int) -> None:
    """Wanted ones may begin in any piece of a text that takes several passes."""
    pair.read((pair.new(), ids_of(RNG, 150), num_wanted), (pair.new(), ids_of(RNG, 3), 1))


def test_texts_of_mixed_lengths_share_a_call(pair: Pair) -> None:
    lengths = (1, 140, 5, 3, 9, 33, 1, 2)
    pair.read(*((pair.new(), ids_of(RNG, length), min(2, length)) for length in lengths))


def test_a_text_cut_and_gone_on_with(pair: Pair) -> None:
    twins = pair.new()
    pair.read((twins, ids_of(RNG, 150), 1))
    for length in (149, 90, 17, 1, 0):
        twins.static.truncate(length)
        twins.torch.truncate(length)
        pair.read((twins, ids_of(RNG, 4), 4))


def test_a_window_that_is_filled_to_its_last_position(pair: Pair) -> None:
    twins = pair.new()
    pair.read((twins, ids_of(RNG, CONTEXT_TOKENS - 2), 1))
    pair.read((twins, ids_of(RNG, 1), 1))
    pair.read((twins, ids_of(RNG, 1), 1))
    with pytest.raises(AssertionError, match="next row"):
        pair.static.forward([Span(cache=twins.static, ids=[7])])


def test_branches_with_drafts_beside_their_source_and_a_prompt(pair: Pair) -> None:
    source, other = pair.new(), pair.new()
    pair.read((source, ids_of(RNG, 40), 1))
    branches = [pair.branch(source) for _ in range(3)]
    for num_drafts in (0, 4, 8):
        spans = [(branch, ids_of(RNG, 1 + num_drafts), 1 + num_drafts) for branch in branches]
        pair.read(*spans, (other, ids_of(RNG, 20), 0))
    pair.read((source, ids_of(RNG, 3), 3))


class Session:
    """What an engine may do, drawn at random: texts come, grow side by side, are cut, branch and go."""

    def __init__(self, pair: Pair, rng: random.Random) -> None:
        self._pair, self._rng = pair, rng
        self._pool = pair.static._pool
        self._alive: list[Twins] = []

    def act(self) -> None:
        actions = (self._begin, self._branch, self._cut, self._drop, self._read, self._read, self._read)
        self._rng.choice(actions)()

    def _changeable(self) -> list[Twins]:
        """A branch's source must stay as it is."""
        sources = [each.parent for each in self._alive]
        return [each for each in self._alive if each not in sources]

    def _begin(self) -> None:
        if sum(each.parent is None for each in self._alive) < 4:
            self._alive.append(self._pair.new())

    def _branch(self) -> None:
        for source in self._alive[:1]:
            if source.parent is None and source.num_tokens and len(self._alive) < 8:
                self._alive.append(self._pair.branch(source))

    def _cut(self) -> None:
        for twins in self._changeable()[:1]:
            length = self._rng.randint(twins.torch.num_shared, twins.num_tokens)
            twins.static.truncate(length)
            twins.torch.truncate(length)

    def _drop(self) -> None:
        for twins in self._changeable()[:1]:
            self._alive.remove(twins)

    def _read(self) -> None:
        asked = []
        changeable = self._changeable()
        for twins in self._rng.sample(changeable, self._rng.randint(0, len(changeable))):
            length = min(self._rng.choice([1, 1, 1, 3, 5, 9, 20, 70, 140]), CONTEXT_TOKENS - twins.num_tokens)
            if length:
                asked.append((twins, ids_of(self._rng, length), self._rng.randint(0, length)))
        if asked:
            self._read_and_look(asked)

    def _read_and_look(self, asked: list[tuple[Twins, list[int], int]]) -> None:
        """Padding computes garbage, which must stay where it is; and no pass may touch a row that is not in it."""
        keys, values, padding = self._pool.keys_LKSHD, self._pool.values_LKSHD, self._pool.padding_row
        keys[:, padding] = values[:, padding] = torch.nan
        others = sorted(set(range(NUM_ROWS)) - {twins.static.row for twins, _, _ in asked})
        before = keys[:, others].clone(), values[:, others].clone()
        self._pair.read(*asked)
        assert torch.equal(before[0], keys[:, others])
        assert torch.equal(before[1], values[:, others])


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_session_gives_the_twins_logits_and_touches_no_other_row(shared: Pair, seed: int) -> None:
    session = Session(shared, random.Random(seed))
    for _ in range(16):
        session.act()


def test_rows_are_given_back_and_come_clean(pair: Pair) -> None:
    """What was no number in a row must not reach the next text: 0 times it is none either."""
    pool = pair.static._pool
    for _ in range(3):
        caches = [pair.static.new_cache() for _ in range(NUM_ROWS // 2)]
        caches += [pair.static.branch(caches[0], 8) for _ in range(NUM_ROWS // 2)]
        assert pair.static.num_free_rows == 0
        assert len({cache.row for cache in caches}) == NUM_ROWS
        pool.keys_LKSHD.fill_(torch.nan)
        pool.values_LKSHD.fill_(torch.nan)
        caches.clear()
        assert pair.static.num_free_rows == NUM_ROWS
    pair.read((pair.new(), ids_of(RNG, 12), 12))


def test_a_full_pool_says_what_to_do_and_branches_have_rows_of_their_own(pair: Pair) -> None:
    caches = [pair.static.new_cache() for _ in range(NUM_ROWS // 2)]
    with pytest.raises(EngineError, match="no room on cpu for another document: close some"):
        pair.static.new_cache()
    branches = [pair.static.branch(caches[0], 8) for _ in range(NUM_ROWS // 2)]
    with pytest.raises(EngineError, match="another candidate: ask for fewer at a time"):
        pair.static.branch(caches[0], 8)
    del branches


def test_idle_documents_leave_a_full_pool_and_those_in_use_stay(pair: Pair) -> None:
    pool = SlotPool(pair.static)
    with pool.use("busy") as busy:
        for number in range(2 * NUM_ROWS):
            with pool.use(f"document {number}") as slot:
                assert slot.cache.row != busy.cache.row
    assert len(pool) == NUM_ROWS // 2
    with pool.use("busy") as again:
        assert again is busy


def test_too_few_rows_for_anybody_are_refused() -> None:
    with pytest.raises(EngineError, match=f"room for {MIN_ROWS - 1} sequences, at least {MIN_ROWS} are needed"):
        static_backend(tiny_network(), num_rows=MIN_ROWS - 1)


def test_a_shape_is_recorded_once_and_a_lone_request_finds_all_of_its_shapes_recorded() -> None:
    tape = Tape()
    backend = static_backend(tiny_network(), tape)
    backend.prepare()
    assert tape.num_recorded == len(AT_START)
    cache = backend.new_cache()
    for ids in ([7] * 128, [7] * 9, [7], [7] * 5, [7]):
        backend.forward([Span(cache=cache, ids=ids)])
    assert tape.num_recorded == len(AT_START)
    backend.forward([Span(cache=backend.new_cache(), ids=[7]) for _ in range(2)])
    backend.forward([Span(cache=backend.new_cache(), ids=[8]) for _ in range(2)])
    assert tape.num_recorded == len(AT_START) + 1
    backend.prepare(BUCKETS)
    assert tape.num_recorded == len(BUCKETS)
    assert Bucket(1, 1) in AT_START


def test_logits_outlive_the_next_pass(pair: Pair) -> None:
    """A replay overwrites what it is made from."""
    (first_NV,) = pair.static.forward([Span(cache=pair.static.new_cache(), ids=[7])])
    kept_NV = first_NV.clone()
    pair.static.forward([Span(cache=pair.static.new_cache(), ids=[200])])
    assert torch.equal(first_NV, kept_NV)
