"""The queue in front of the model: who goes first, who is replaced, and that cancelled work stops within a step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import pytest
from stepping_model import WAIT_SECONDS, Loader, SteppingModel, request_of

from lsp_server.engine.api import EngineState
from lsp_server.engine.worker import MAX_RUNNING, Worker
from lsp_server.errors import (
    BundleError,
    EngineError,
    EngineLoadingError,
    EngineUnavailableError,
    ParrotletError,
    PromptError,
)

StartWorker = Callable[..., Worker]


def wait_until_ready(worker: Worker) -> None:
    """A reload is handled in turn, behind the first load and everything before it."""
    worker.reload(None).result(WAIT_SECONDS)


@pytest.fixture
def start_worker() -> Iterator[StartWorker]:
    """Starts workers with a loaded model, and ends them."""
    started: list[tuple[Worker, SteppingModel]] = []

    def start(model: SteppingModel, *later: SteppingModel | Exception) -> Worker:
        worker = Worker(Loader(model, model, *later))
        started.append((worker, model))
        worker.start()
        wait_until_ready(worker)
        return worker

    yield start
    for worker, model in started:
        model.free()
        assert worker.stop(WAIT_SECONDS)


def settle(worker: Worker) -> None:
    """Until what was cancelled so far has been dropped: a request of its own is admitted behind that."""
    worker.complete(request_of("settled", 1)).result(WAIT_SECONDS)


def result(future: Future[Any]) -> Any:  # Any: as the future's
    return future.result(WAIT_SECONDS)


def test_requests_of_different_documents_share_each_pass(start_worker: StartWorker) -> None:
    model = SteppingModel()
    worker = start_worker(model)
    first = worker.complete(request_of("a", 4))
    model.wait_until_in_step()
    others = [worker.complete(request_of(name, 2)) for name in "bc"]
    model.free()
    for future in (first, *others):
        assert result(future).candidates[0].text == "stepping"
    passes = " ".join(model.log).split("pass")
    assert [part.count("step ") for part in passes[1:]] == [1, 3, 3, 1]
    assert [line for line in model.log if line.startswith("end")] == ["end b", "end c", "end a"]
    assert worker.num_queued == 0


def test_more_requests_than_a_pass_takes_are_admitted_in_order(start_worker: StartWorker) -> None:
    model = SteppingModel()
    worker = start_worker(model)
    first = worker.complete(request_of("first", 2))
    model.wait_until_in_step()
    names = [f"document {number}" for number in range(MAX_RUNNING + 3)]
    futures = [worker.complete(request_of(name, 2)) for name in names]
    model.free()
    for future in (first, *futures):
        assert result(future)
    assert [line.removeprefix("begin ") for line in model.log if line.startswith("begin")] == ["first", *names]
    assert max(part.count("step ") for part in " ".join(model.log).split("pass")) == MAX_RUNNING


def test_a_newer_request_ends_the_running_one_within_one_step(start_worker: StartWorker) -> None:
    model = SteppingModel()
    worker = start_worker(model)
    older = worker.complete(request_of("d", 100))
    model.allow(3)
    for _ in range(4):
        model.wait_until_in_step()
    newer = worker.complete(request_of("d", 2))
    model.free()
    assert result(newer)
    with pytest.raises(CancelledError):
        result(older)
    assert model.num_steps("d") <= 4 + 2
    assert "end d" in model.log


def test_a_newer_request_replaces_a_queued_one_which_costs_no_step(start_worker: StartWorker) -> None:
    model = SteppingModel()
    worker = start_worker(model)
    first = worker.complete(request_of("other", 2))
    model.wait_until_in_step()
    replaced = [worker.complete(request_of("d", 50)) for _ in range(20)]
    last = worker.complete(request_of("d", 3))
    assert worker.num_queued == 1
    model.free()
    assert result(first)
    assert result(last)
    assert all(future.cancelled() for future in replaced)
    assert model.num_steps("d") == 3


def test_cancelling_stops_the_running_request_within_one_step(start_worker: StartWorker) -> None:
    model = SteppingModel()
    worker = start_worker(model)
    future = worker.complete(request_of("d", 1000))
    model.allow(5)
    for _ in range(6):
        model.wait_until_in_step()
    before = worker.status().num_steps
    assert before == 5
    assert future.cancel()
    model.free()
    settle(worker)
    assert model.num_steps("d") <= before + 1


def test_a_request_cancelled_in_the_queue_costs_no_step(start_worker: StartWorker) -> None:
    model = SteppingModel()
    worker = start_worker(model)
    first = worker.complete(request_of("a", 1))
    model.wait_until_in_step()
    worker.complete(request_of("b", 1)).cancel()
    assert worker.num_queued == 0
    model.free()
    assert result(first)
    settle(worker)
    assert model.num_steps("b") == 0


def test_thousands_of_cancelled_requests_leave_nothing_behind(start_worker: StartWorker) -> None:
    model = SteppingModel()
    worker = start_worker(model)
    running = worker.complete(request_of("busy", 1))
    model.wait_until_in_step()
    for number in range(3000):
        worker.complete(request_of(f"document {number}", 5)).cancel()
    assert worker.num_queued == 0
    model.free()
    assert result(running)
    settle(worker)
    assert worker.num_queued == 0
    assert model.num_steps("document 7") == 0


def test_a_prefill_waits_for_requests_and_lets_them_pass_between_its_steps(start_worker: StartWorker) -> None:
    model = SteppingModel()
    worker = start_worker(model)
    prefill = worker.prefill("d", (1,) * 6)
    model.allow(2)
    for _ in range(3):
        model.wait_until_in_step()
    request = worker.complete(request_of("other", 2))
    model.free()
    result(prefill)
    assert result(request)
    assert model.log.index("end other") < model.log.index("end prefill d")
    assert model.log.count("begin prefill d") == 1, "what it has read is not read again"
    assert model.num_steps("prefill d") == 6


def test_a_request_supersedes_the_prefill_of_its_document(start_worker: StartWorker) -> None:
    model = SteppingModel()
    worker = start_worker(model)
    running = worker.prefill("d", (1,) * 500)
    model.wait_until_in_step()
    queued = worker.prefill("e", (1,) * 500)
    requests = [worker.complete(request_of(name, 1)) for name in "de"]
    model.free()
    assert result(queued) is None
    assert result(running) is None
    for request in requests:
        assert result(request)
    settle(worker)
    assert model.num_steps("prefill d") == 1
    assert model.num_steps("prefill e") == 0


def test_a_newer_prefill_replaces_an_older_one(start_worker: StartWorker) -> None:
    model = SteppingModel()
    worker = start_worker(model)
    running = worker.prefill("d", (1,) * 500)
    model.wait_until_in_step()
    queued = worker.prefill("d", (1,) * 300)
    last = worker.prefill("d", (1,) * 4)
    model.free()
    for future in (running, queued, last):
        assert result(future) is None
    assert model.num_steps("prefill d") == 1 + 4


@pytest.mark.parametrize(
    ("failure", "kind", "message"),
    [
        (PromptError("the prompt is empty"), PromptError, "the prompt is empty"),
        (MemoryError("out of\nmemory"), EngineError, "MemoryError: out of memory"),
        (RuntimeError("CUDA out of memory"), EngineError, "RuntimeError: CUDA out of memory"),
    ],
)
def test_a_failing_request_fails_alone_and_its_slot_is_dropped(
    start_worker: StartWorker, failure: Exception, kind: type[Exception], message: str
) -> None:
    model = SteppingModel()
    model.failures["bad"] = failure
    worker = start_worker(model)
    good = worker.complete(request_of("good", 4))
    model.wait_until_in_step()
    bad = worker.complete(request_of("bad", 2))
    model.free()
    with pytest.raises(kind, match=message):
        result(bad)
    assert result(good)
    assert [line for line in model.log if line.startswith("forget")] == ["forget bad"]
    assert result(worker.complete(request_of("bad", 2)))


def test_a_device_that_fails_ends_the_requests_of_that_pass_and_serves_the_next(start_worker: StartWorker) -> None:
    model = SteppingModel()
    worker = start_worker(model)
    futures = [worker.complete(request_of(name, 4)) for name in "ab"]
    model.wait_until_in_step()
    model.device_failure = MemoryError("the device is full")
    model.free()
    with pytest.raises(EngineError, match="MemoryError: the device is full"):
        result(futures[0])
    assert result(worker.complete(request_of("c", 2)))
    assert "forget a" in model.log


def test_tokens_are_streamed(start_worker: StartWorker) -> None:
    worker = start_worker(SteppingModel(free=True))
    pieces: list[tuple[int, str]] = []
    result(worker.complete(request_of("d", 3), lambda *piece: pieces.append(piece)))
    assert pieces == [(0, "0 "), (0, "1 "), (0, "2 ")]


def test_the_counters_count(start_worker: StartWorker) -> None:
    worker = start_worker(SteppingModel(free=True))
    for _ in range(3):
        result(worker.complete(request_of("d", 4)))
    settle(worker)
    status = worker.status()
    assert (status.state, status.model, status.device) == (EngineState.READY, "stepping", "cpu")
    assert (status.num_requests, status.num_steps) == (4, 3 * 4 + 1)
    assert (status.prompt_tokens, status.reused_tokens) == (40, 16)


def test_while_the_model_loads_requests_are_refused_at_once() -> None:
    gate = threading.Event()
    model = SteppingModel(free=True)
    worker = Worker(Loader(model, model, gate=gate), Path("bundle"), "cpu")
    worker.start()
    assert worker.status().state is EngineState.LOADING
    assert worker.status().model == "bundle"
    with pytest.raises(EngineLoadingError):
        worker.complete(request_of())
    with pytest.raises(EngineLoadingError):
        worker.prefill("d", (1,))
    gate.set()
    wait_until_ready(worker)
    assert result(worker.complete(request_of()))
    assert worker.stop(WAIT_SECONDS)


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (BundleError("there is no model folder at /x"), "there is no model folder at /x"),
        (ImportError("no torch"), "ImportError: no torch"),
    ],
)
def test_a_model_that_does_not_load_is_reported_and_a_reload_can_cure_it(failure: Exception, message: str) -> None:
    loader = Loader(failure, failure, SteppingModel("cured", free=True))
    worker = Worker(loader, Path("damaged"))
    worker.start()
    with pytest.raises(ParrotletError, match=message):
        worker.reload(None).result(WAIT_SECONDS)
    status = worker.status()
    assert (status.state, status.message, status.model) == (EngineState.FAILED, message, "damaged")
    with pytest.raises(EngineError, match=f"could not be loaded: {message}"):
        worker.complete(request_of())
    worker.reload(Path("whole")).result(WAIT_SECONDS)
    assert worker.status().state is EngineState.READY
    assert loader.paths == [Path("damaged"), Path("damaged"), Path("whole")]
    assert result(worker.complete(request_of())).candidates[0].text == "cured"
    assert worker.stop(WAIT_SECONDS)


class SlowSecondLoad:
    """Hands out two models; the second one when the test says so."""

    def __init__(self, first: SteppingModel, second: SteppingModel) -> None:
        self._models = [first, first, second]  # the first is also read by `wait_until_ready`
        self.may_finish = threading.Event()
        self.has_read = threading.Event()

    def __call__(self, path: Path | None) -> SteppingModel:
        if len(self._models) == 1:
            assert self.may_finish.wait(WAIT_SECONDS)
            self.has_read.set()
        return self._models.pop(0)


def test_the_old_model_answers_while_the_new_one_is_read() -> None:
    loader = SlowSecondLoad(SteppingModel("old", free=True), SteppingModel("new", free=True))
    worker = Worker(loader)
    worker.start()
    wait_until_ready(worker)
    reload = worker.reload(Path("other"))
    assert [result(worker.complete(request_of(name))).candidates[0].text for name in "abc"] == ["old"] * 3
    loader.may_finish.set()
    assert result(reload) is None
    assert result(worker.complete(request_of("a"))).candidates[0].text == "new"
    assert worker.stop(WAIT_SECONDS)


def test_a_request_ends_with_the_model_it_began_with_and_those_behind_it_get_the_new_one() -> None:
    old = SteppingModel("old")
    loader = SlowSecondLoad(old, SteppingModel("new", free=True))
    worker = Worker(loader)
    worker.start()
    wait_until_ready(worker)
    running = worker.complete(request_of("a", 3))
    old.wait_until_in_step()
    reload = worker.reload(Path("other"))
    old.allow()  # the worker goes round, and has the new model read
    old.wait_until_in_step()
    loader.may_finish.set()
    assert loader.has_read.wait(WAIT_SECONDS)
    old.allow()
    old.wait_until_in_step()
    waiting = worker.complete(request_of("b", 3))
    old.free()
    assert result(running).candidates[0].text == "old"
    assert result(waiting).candidates[0].text == "new"
    assert result(reload) is None
    assert worker.status().model == "new"
    assert worker.stop(WAIT_SECONDS)


def test_a_failed_reload_keeps_the_model_there_is(start_worker: StartWorker) -> None:
    worker = start_worker(SteppingModel("old", free=True), BundleError("damaged"))
    with pytest.raises(BundleError, match="damaged"):
        worker.reload(Path("damaged")).result(WAIT_SECONDS)
    assert worker.status().state is EngineState.READY
    assert result(worker.complete(request_of())).candidates[0].text == "old"


def test_a_forgotten_document_is_dropped_by_the_models_own_thread(start_worker: StartWorker) -> None:
    model = SteppingModel(free=True)
    worker = start_worker(model)
    worker.forget("d")
    settle(worker)
    assert "forget d" in model.log


def test_stopping_ends_running_and_queued_requests_with_an_error() -> None:
    model = SteppingModel()
    worker = Worker(Loader(model, model))
    worker.start()
    wait_until_ready(worker)
    futures: list[Future[Any]] = [worker.complete(request_of(name, 100)) for name in "ab"]
    futures.append(worker.prefill("c", (1, 2)))
    model.wait_until_in_step()
    worker.stop(0)
    model.free()
    assert worker.stop(WAIT_SECONDS)
    for future in futures:
        with pytest.raises(EngineUnavailableError):
            result(future)
    with pytest.raises(EngineUnavailableError):
        worker.complete(request_of())
    assert not worker.is_alive
