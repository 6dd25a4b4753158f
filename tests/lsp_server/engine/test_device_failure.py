"""A GPU that fills up or goes away, at every place where it can: the requests end, the next ones run on the CPU."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import tiny_network
from stepping_model import WAIT_SECONDS
from torch import Tensor

from lsp_server.engine import resident
from lsp_server.engine.api import CompletionRequest, CompletionResult, EngineState, SamplingParams, StopRule
from lsp_server.engine.backend import Backend, Span
from lsp_server.engine.device import is_failure, what_happened
from lsp_server.engine.resident import ResidentModel
from lsp_server.engine.torch_backend import TorchBackend, TorchCache
from lsp_server.engine.worker import Worker
from lsp_server.errors import BundleError, DeviceFailedError, EngineError
from lsp_server.model.bundle import Bundle
from lsp_server.model.tokenizer import CodeTokenizer

FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.\nGPU 0 has a total capacity of ...")
GONE = torch.AcceleratorError("CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronous")
LIBRARY = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
DEFECT = RuntimeError("The size of tensor a (3) must match the size of tensor b (4)")
PROMPT = (50, 60, 70, 80)


class BreakingBackend(TorchBackend):
    """Plays a GPU that works until a test breaks it."""

    device = "cuda:0"  # type: ignore[assignment]  # a property there

    def __init__(self) -> None:
        super().__init__(tiny_network(), "torch bfloat16, CUDA graphs")
        self.errors: dict[str, RuntimeError] = {}
        """What the next call of this name raises."""
        self.breaks_at = 0
        """How many spans a pass must have to fail; 0 is any."""
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def new_cache(self) -> TorchCache:
        self._raise("new_cache")
        return super().new_cache()

    def branch(self, cache: TorchCache, num_new_tokens: int) -> TorchCache:
        self._raise("branch")
        return super().branch(cache, num_new_tokens)

    def forward(self, spans: Sequence[Span[TorchCache]]) -> list[Tensor]:
        self.entered.set()
        assert self.gate.wait(WAIT_SECONDS)
        if len(spans) >= self.breaks_at:
            self._raise("forward")
        return super().forward(spans)

    def _raise(self, place: str) -> None:
        if place in self.errors:
            raise self.errors[place]


def request_of(document: str = "d", num_candidates: int = 1, prompt: tuple[int, ...] = PROMPT) -> CompletionRequest:
    temperature = 0.0 if num_candidates == 1 else 1.0
    return CompletionRequest(
        document=document,
        prompt_ids=prompt,
        sampling=SamplingParams(temperature=temperature, max_new_tokens=8, num_candidates=num_candidates),
        stop=StopRule.NONE,
    )


@pytest.fixture
def gpu() -> BreakingBackend:
    return BreakingBackend()


@pytest.fixture
def model(gpu: BreakingBackend, tokenizer: CodeTokenizer) -> ResidentModel:
    return ResidentModel(gpu, tokenizer, "tiny", open_on_cpu=lambda: TorchBackend(tiny_network(), "torch float32"))


@pytest.fixture
def worker(model: ResidentModel) -> Any:  # Any: a generator fixture
    worker = Worker(lambda _: model)
    worker.start()
    worker.reload(None).result(WAIT_SECONDS)
    yield worker
    assert worker.stop(WAIT_SECONDS)


def tokens_of(future: Future[CompletionResult]) -> tuple[int, ...]:
    return future.result(WAIT_SECONDS).candidates[0].token_ids


def right_tokens(tokenizer: CodeTokenizer, prompt: tuple[int, ...] = PROMPT) -> tuple[int, ...]:
    model = ResidentModel(TorchBackend(tiny_network(), "torch float32"), tokenizer, "tiny")
    other = Worker(lambda _: model)
    other.start()
    other.reload(None).result(WAIT_SECONDS)
    found = tokens_of(other.complete(request_of(prompt=prompt)))
    assert other.stop(WAIT_SECONDS)
    return found


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (FULL, True),
        (GONE, True),
        (LIBRARY, True),
        (torch.OutOfMemoryError("Allocation on device would exceed allowed memory"), True),
        (torch.AcceleratorError("an error without its library's name"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), True),
        (DEFECT, False),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: not enough memory"), False),
        (RuntimeError("Expected all tensors to be on the same device, but found cuda:0 and cpu"), False),
        (MemoryError("CUDA"), False),
        (EngineError("CUDA"), False),
    ],
)
def test_what_is_a_devices_failure(error: Exception, is_one: bool) -> None:
    assert is_failure(error) is is_one


def test_a_failure_in_words() -> None:
    assert what_happened(FULL) == "ran out of memory"
    assert what_happened(GONE).startswith("failed (CUDA error: unspecified launch failure CUDA kernel")
    assert "\n" not in what_happened(GONE)


@pytest.mark.parametrize(("place", "num_candidates"), [("forward", 1), ("new_cache", 1), ("branch", 3)])
@pytest.mark.parametrize(("error", "what"), [(FULL, "ran out of memory"), (GONE, "failed (CUDA error: unspecified")])
def test_the_cpu_goes_on_wherever_the_device_fails(
    worker: Worker,
    gpu: BreakingBackend,
    tokenizer: CodeTokenizer,
    caplog: pytest.LogCaptureFixture,
    place: str,
    num_candidates: int,
    error: RuntimeError,
    what: str,
) -> None:
    assert worker.status().message == ""
    gpu.errors[place] = error
    with caplog.at_level(logging.INFO), pytest.raises(DeviceFailedError, match="ask again, the model runs on the CPU"):
        worker.complete(request_of(num_candidates=num_candidates)).result(WAIT_SECONDS)
    for _ in range(2):
        assert tokens_of(worker.complete(request_of())) == right_tokens(tokenizer)
    status = worker.status()
    assert (status.state, status.device, status.backend) == (EngineState.READY, "cpu", "torch float32")
    assert status.message.startswith(f"cuda:0 {what}")
    assert status.message.endswith("the model runs on the CPU until the engine is started again")
    assert [record.getMessage() for record in caplog.records] == [status.message], "told once"


def test_a_device_that_goes_away_ends_all_running_requests_and_answers_the_next(
    worker: Worker, gpu: BreakingBackend, tokenizer: CodeTokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.gate.clear()
    futures = [worker.complete(request_of("a"))]
    assert gpu.entered.wait(WAIT_SECONDS)
    futures += [worker.complete(request_of(name)) for name in "bc"]
    waiting = worker.prefill("d", PROMPT)
    gpu.errors["forward"], gpu.breaks_at = GONE, 3
    gpu.gate.set()
    for future in futures:
        with pytest.raises(DeviceFailedError):
            future.result(WAIT_SECONDS)
    assert waiting.result(WAIT_SECONDS) is None, "what had not begun begins on the CPU"
    prompts = {name: (*PROMPT, number) for number, name in enumerate("abcd", 90)}
    again = {name: worker.complete(request_of(name, prompt=prompt)) for name, prompt in prompts.items()}
    for name, future in again.items():
        assert tokens_of(future) == right_tokens(tokenizer, prompts[name])
    assert len([record for record in caplog.records if "cuda:0" in record.getMessage()]) == 1


def test_one_that_fails_in_its_own_step_ends_the_others_too(
    worker: Worker, gpu: BreakingBackend, tokenizer: CodeTokenizer
) -> None:
    """Their caches are on the device as well: `branch` fails between two passes."""
    gpu.gate.clear()
    futures = [worker.complete(request_of("a"))]
    assert gpu.entered.wait(WAIT_SECONDS)
    futures += [worker.complete(request_of("b", num_candidates=2)), worker.complete(request_of("c"))]
    gpu.errors["branch"] = GONE
    gpu.gate.set()
    for future in futures:
        with pytest.raises(DeviceFailedError):
            future.result(WAIT_SECONDS)
    assert tokens_of(worker.complete(request_of("c"))) == right_tokens(tokenizer)


def test_a_defect_of_ours_fails_one_request_and_leaves_the_device(worker: Worker, gpu: BreakingBackend) -> None:
    gpu.errors["forward"] = DEFECT
    with pytest.raises(EngineError, match="The size of tensor a") as raised:
        worker.complete(request_of()).result(WAIT_SECONDS)
    assert not isinstance(raised.value, DeviceFailedError)
    del gpu.errors["forward"]
    assert tokens_of(worker.complete(request_of()))
    assert (worker.status().device, worker.status().message) == ("cuda:0", "")


def test_a_cpu_that_cannot_take_over_is_told_and_tried_again(
    gpu: BreakingBackend, tokenizer: CodeTokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[Exception | Backend[Any]] = [BundleError("it is gone"), TorchBackend(tiny_network(), "torch")]

    def open_on_cpu() -> Backend[Any]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    model = ResidentModel(gpu, tokenizer, "tiny", open_on_cpu=open_on_cpu)
    gpu.errors["new_cache"] = FULL
    message = "cuda:0 ran out of memory, and the CPU cannot take over: it is gone"
    with pytest.raises(EngineError, match=message) as raised:
        next(model.complete(request_of(), 0.0))
    assert not isinstance(raised.value, DeviceFailedError)
    assert (model.message, caplog.records) == ("", [])
    with pytest.raises(DeviceFailedError):
        next(model.complete(request_of(), 0.0))
    assert model.device == "cpu"


def test_memory_on_the_device_is_released_once_the_old_requests_are_gone(
    worker: Worker, gpu: BreakingBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    released: list[int] = []
    monkeypatch.setattr(resident, "release_memory", lambda: released.append(1))
    gpu.errors["forward"] = FULL
    with pytest.raises(DeviceFailedError):
        worker.complete(request_of()).result(WAIT_SECONDS)
    assert released == []
    for _ in range(2):
        tokens_of(worker.complete(request_of()))
    assert released == [1]


def test_nothing_refers_to_the_failed_back_end_any_more(tokenizer: CodeTokenizer) -> None:
    gpu = BreakingBackend()
    gpu.errors["branch"] = torch.OutOfMemoryError("CUDA out of memory")
    model = ResidentModel(gpu, tokenizer, "tiny", open_on_cpu=lambda: TorchBackend(tiny_network(), "torch float32"))
    worker = Worker(lambda _: model)
    worker.start()
    worker.reload(None).result(WAIT_SECONDS)
    failed = weakref.ref(gpu)
    del gpu
    with pytest.raises(DeviceFailedError):
        worker.complete(request_of(num_candidates=2)).result(WAIT_SECONDS)
    tokens_of(worker.complete(request_of()))
    assert failed() is None
    assert worker.stop(WAIT_SECONDS)


OpenBackend = Callable[..., Backend[Any]]


def opening(error: Exception, open_backend: OpenBackend) -> OpenBackend:
    """As `open_backend`, on a machine whose GPU fails while the model is put there."""

    def open_(bundle: Bundle, device_name: str, num_threads: int | None, name: str = "auto") -> Backend[Any]:
        if device_name != "cpu":
            raise error
        return open_backend(bundle, device_name, num_threads, name)

    return open_


@pytest.mark.parametrize("device", ["auto", "cuda"])
@pytest.mark.parametrize("error", [FULL, GONE, LIBRARY])
def test_a_device_that_fails_at_load_leaves_the_model_on_the_cpu(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, device: str, error: Exception
) -> None:
    """Also with `--device cuda`: slower suggestions, and word of it, are better than none."""
    monkeypatch.setattr(resident, "open_backend", opening(error, resident.open_backend))
    monkeypatch.setattr(resident, "choose_device", lambda _: torch.device("cuda"))
    model = ResidentModel.load(bundle, device, 1)
    assert model.device == "cpu"
    assert model.message.startswith("cuda ")
    assert [record.getMessage() for record in caplog.records] == [model.message]
    worker = Worker(lambda _: model)
    worker.start()
    worker.reload(None).result(WAIT_SECONDS)
    assert tokens_of(worker.complete(request_of()))
    assert worker.status().message == model.message
    assert worker.stop(WAIT_SECONDS)


@pytest.mark.parametrize("error", [DEFECT, BundleError("damaged")])
def test_other_failures_at_load_are_no_devices(bundle: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(resident, "open_backend", opening(error, resident.open_backend))
    with pytest.raises(type(error)):
        ResidentModel.load(bundle, "cuda", 1)
