"""The GPU itself: graphs against their slow twins, nothing waited for, nothing left behind. Run by `make test-gpu`."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import VOCAB_SIZE, tiny_network
from stepping_model import WAIT_SECONDS

from lsp_server.engine.api import CompletionRequest, CompletionResult, EngineState, SamplingParams, StopRule
from lsp_server.engine.backend import Backend, Span
from lsp_server.engine.backends import open_backend
from lsp_server.engine.buckets import BUCKETS
from lsp_server.engine.cuda_graphs import CudaGraphs
from lsp_server.engine.resident import ResidentModel
from lsp_server.engine.static_backend import StaticBackend
from lsp_server.engine.torch_backend import TorchBackend
from lsp_server.engine.worker import Worker
from lsp_server.errors import DeviceFailedError
from lsp_server.model.bundle import open_bundle
from lsp_server.model.tokenizer import CodeTokenizer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available(),
        reason="CUDA GRAPHS ARE UNTESTED HERE: PyTorch sees no CUDA device; run `make test-gpu` where there is one",
    ),
]
AnyBackend = Backend[Any]  # Any: each has a cache of its own kind
Steps = Generator[list[Any], list[Any], CompletionResult]
Forward = Callable[[list[Any]], list[torch.Tensor]]
DEVICE = torch.device("cuda")
FP32_BOUND = 1e-3
"""Graphs, eager and CPU in fp32: kernels differ in the order of their sums alone (TF32 is off by default)."""
BF16_BOUND = 0.05
"""Of the logits' spread; the same passes on a CPU err by 0.012 at most. Tokens may differ only where the two best ones
are nearer than twice the bound."""
NUM_CANCELLED = 2000


def on_gpu(dtype: torch.dtype) -> StaticBackend:
    network = tiny_network().to(DEVICE, dtype)
    return StaticBackend(network, "graphs", 16, CudaGraphs(DEVICE))


def logits_in_turn(backend: AnyBackend, seed: int) -> list[torch.Tensor]:
    """Of two texts that grow side by side, one that is cut, and a branch; on the CPU in fp32."""
    rng = random.Random(seed)
    first, second = backend.new_cache(), backend.new_cache()
    found: list[torch.Tensor] = []
    for length in (100, 1, 5, 9, 2):
        spans = [Span(cache=each, ids=ids_of(rng, length), num_logits=min(2, length)) for each in (first, second)]
        found += backend.forward(spans)
    first.truncate(40)
    branch = backend.branch(second, 20)
    cut = Span(cache=first, ids=ids_of(rng, 30), num_logits=2)
    found += backend.forward([cut, Span(cache=branch, ids=ids_of(rng, 3), num_logits=3)])
    return [each.float().cpu() for each in found]


def ids_of(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(5, VOCAB_SIZE) for _ in range(count)]


@pytest.mark.parametrize("seed", range(3))
def test_graphs_compute_what_eager_and_the_cpu_compute(seed: int) -> None:
    graphs = logits_in_turn(on_gpu(torch.float32), seed)
    eager = logits_in_turn(TorchBackend(tiny_network().to(DEVICE), "eager"), seed)
    cpu = logits_in_turn(TorchBackend(tiny_network(), "cpu"), seed)
    for found, twin, reference in zip(graphs, eager, cpu, strict=True):
        torch.testing.assert_close(found, twin, rtol=FP32_BOUND, atol=FP32_BOUND)
        torch.testing.assert_close(found, reference, rtol=FP32_BOUND, atol=FP32_BOUND)
        assert found.argmax(1).tolist() == reference.argmax(1).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_in_bf16_tokens_differ_only_where_two_nearly_tie(seed: int) -> None:
    graphs = logits_in_turn(on_gpu(torch.bfloat16), seed)
    eager = logits_in_turn(TorchBackend(tiny_network().to(DEVICE, torch.bfloat16), "eager"), seed)
    cpu = logits_in_turn(TorchBackend(tiny_network(), "cpu"), seed)
    for found_NV, twin_NV, reference_NV in zip(graphs, eager, cpu, strict=True):
        for other_NV in (twin_NV, reference_NV):
            bound = BF16_BOUND * float(other_NV.max() - other_NV.min())
            assert float((found_NV - other_NV).abs().max()) < bound
            chosen_N1 = found_NV.argmax(1, keepdim=True)
            missed_N = other_NV.amax(1) - other_NV.gather(1, chosen_N1)[:, 0]
            assert float(missed_N.max()) < 2 * bound


def run(forward: Forward, steps: Steps) -> CompletionResult:
    logits = None
    while True:
        try:
            spans = steps.send(logits)  # type: ignore[arg-type]  # None only starts it
        except StopIteration as stop:
            result: CompletionResult = stop.value
            return result
        logits = forward(spans)


def without_waiting(forward: Forward) -> Forward:
    """Torch raises at every synchronisation that it makes inside."""

    def watched(spans: list[Any]) -> list[torch.Tensor]:
        torch.cuda.set_sync_debug_mode("error")
        try:
            return forward(spans)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    return watched


def request_of(document: str, prompt: list[int], num_candidates: int = 1) -> CompletionRequest:
    temperature = 0.0 if num_candidates == 1 else 1.0
    sampling = SamplingParams(temperature=temperature, max_new_tokens=24, num_candidates=num_candidates)
    return CompletionRequest(document=document, prompt_ids=tuple(prompt), sampling=sampling, stop=StopRule.NONE)


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("num_candidates", [1, 4])
def test_a_pass_waits_for_nothing(tokenizer: CodeTokenizer, num_candidates: int) -> None:
    """Only drawing, between two passes, reads anything back."""
    backend = on_gpu(torch.bfloat16)
    backend.prepare(BUCKETS)
    model = ResidentModel(backend, tokenizer, "tiny")
    steps = model.complete(request_of("d", [50] * 130, num_candidates), 0.0)
    result = run(without_waiting(backend.forward), steps)
    assert all(candidate.token_ids for candidate in result.candidates)


def test_greedy_answers_are_those_of_the_cpu(tokenizer: CodeTokenizer) -> None:
    """With drafts and without, in fp32, whole answers."""
    gpu, cpu = on_gpu(torch.float32), TorchBackend(tiny_network(), "cpu")
    on_device, reference = ResidentModel(gpu, tokenizer, "gpu"), ResidentModel(cpu, tokenizer, "cpu")
    rng = random.Random(1)
    for number in range(8):
        request = request_of(f"{number % 3}", ids_of(rng, rng.randint(1, 130)))
        expected = run(cpu.forward, reference.complete(request, 0.0)).candidates[0].token_ids
        assert run(gpu.forward, on_device.complete(request, 0.0)).candidates[0].token_ids == expected


def loaded(path: Path | None) -> ResidentModel:
    """With all shapes recorded: none that is met later may look like a leak."""
    model = ResidentModel.load(path, "cuda", 1)
    model._backend.prepare(BUCKETS)  # type: ignore[attr-defined]
    return model


@pytest.fixture
def worker(bundle: Path) -> Iterator[Worker]:
    worker = Worker(loaded, bundle)
    worker.start()
    worker.reload(None).result(WAIT_SECONDS * 3)
    assert worker.status().state is EngineState.READY
    assert "CUDA graphs" in worker.status().backend
    yield worker
    assert worker.stop(WAIT_SECONDS)


def test_cancelled_requests_leave_no_memory_behind(worker: Worker) -> None:
    def cancel(count: int) -> None:
        for number in range(count):
            request = request_of(f"{number % 40}", [50 + number % 200] * (1 + number % 130), 1 + number % 3)
            future = worker.complete(request)
            if number % 10 == 0:
                future.result(WAIT_SECONDS)
            else:
                future.cancel()
        worker.complete(request_of("last", [50])).result(WAIT_SECONDS)

    cancel(200)
    before = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    cancel(NUM_CANCELLED)
    assert torch.cuda.memory_allocated() <= before[0]
    assert torch.cuda.memory_reserved() <= before[1]
    assert worker.status().message == ""


def test_a_device_that_is_full_hands_over_to_the_cpu(
    worker: Worker, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real out-of-memory error, out of the middle of a pass."""
    prompt = [50, 60, 70]
    forward = StaticBackend.forward

    def filling(self: StaticBackend, spans: list[Any]) -> list[torch.Tensor]:
        torch.empty(2 * torch.cuda.mem_get_info()[1], dtype=torch.uint8, device=DEVICE)
        return forward(self, spans)

    monkeypatch.setattr(StaticBackend, "forward", filling)
    with pytest.raises(DeviceFailedError, match="ran out of memory"):
        worker.complete(request_of("d", prompt)).result(WAIT_SECONDS)
    found = worker.complete(request_of("d", prompt)).result(WAIT_SECONDS)
    assert worker.status().device == "cpu"
    assert found.candidates[0].token_ids
    assert "ran out of memory: the model runs on the CPU" in worker.status().message


def test_a_full_device_at_load_leaves_the_model_on_the_cpu(bundle: Path) -> None:
    torch.cuda.set_per_process_memory_fraction(1e-6)
    try:
        torch.cuda.empty_cache()
        model = ResidentModel.load(bundle, "cuda", 1)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert model.device == "cpu"
    assert model.message.startswith("cuda ran out of memory")


def test_the_back_ends_of_a_gpu(bundle: Path) -> None:
    assert open_backend(open_bundle(bundle), "cuda", 1).name.endswith(", CUDA graphs")
    assert open_backend(open_bundle(bundle), "cuda", 1, "graphs").name.endswith(", CUDA graphs")
    assert open_backend(open_bundle(bundle), "cuda", 1, "full").name.startswith("torch ")
