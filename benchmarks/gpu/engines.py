"""What is measured: our engine in CUDA graphs, its eager twin, and transformers.generate, all in this process.

On a CPU, for trying the benchmark out, the same passes go through Python: there are no graphs to replay.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.engine.network import num_weights_read
from benchmarks.engine.protocol import Question
from lsp_server.engine.api import CompletionRequest, EngineState, SamplingParams, StopRule
from lsp_server.engine.backend import Backend, Span
from lsp_server.engine.backends import open_backend
from lsp_server.engine.buckets import Bucket
from lsp_server.engine.choice import EngineChoice
from lsp_server.engine.device import compute_dtype
from lsp_server.engine.local import LocalEngine
from lsp_server.engine.resident import ResidentModel
from lsp_server.engine.sampler import Sampler
from lsp_server.engine.static_backend import StaticBackend
from lsp_server.engine.static_pool import MIN_ROWS
from lsp_server.model.bundle import Bundle, open_bundle
from lsp_server.model.weights import load_gpt2

GRAPHS = "graphs"
EAGER = "eager"
OWN = (GRAPHS, EAGER)
TRANSFORMERS = "transformers.generate"
ROWS_ON_CPU = 16
GREEDY = SamplingParams(temperature=0.0)
POLL_SECONDS = 0.001
AnyBackend = Backend[Any]  # Any: each has a cache of its own kind


def own_backend(bundle: Bundle, device: str, name: str) -> AnyBackend:
    """Our back end of that name, ready to decode. Raises: EngineError, SettingsError."""
    if name == EAGER:
        return open_backend(bundle, device, None, "full")
    if device != "cpu":
        return open_backend(bundle, device, None, "graphs")
    backend = StaticBackend(load_gpt2(bundle), "static shapes through Python", ROWS_ON_CPU)
    backend.prepare()
    return backend


def one_step(bundle: Bundle, device: torch.device) -> Callable[[], object]:
    """What a graph of one token replays and what draws behind it, through Python: its kernels can be counted."""
    backend = StaticBackend(load_gpt2(bundle, device, compute_dtype(device)), "counted", MIN_ROWS)
    sampler, span = Sampler(GREEDY, 1), Span(cache=backend.new_cache(), ids=[0])
    backend.prepare([Bucket(1, 1)])
    return lambda: sampler.draw(backend.forward([span])[0], [0])


def weight_bytes(bundle: Bundle, device: torch.device) -> int:
    """What one step reads."""
    return num_weights_read(bundle) * compute_dtype(device).itemsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepper:
    """Single decoding steps of a back end, each with its token read, as the engine takes them."""

    backend: AnyBackend

    def seconds(self, prompt: Sequence[int], num_steps: int) -> list[float]:
        """The time of each step behind the prompt, without what an engine does around it."""
        sampler = Sampler(GREEDY, 1)
        cache = self.backend.new_cache()
        found: list[float] = []
        ids, _ = sampler.draw(self.backend.forward([Span(cache=cache, ids=prompt)])[0], [0])
        for _ in range(num_steps):
            started = time.perf_counter()
            ids, _ = sampler.draw(self.backend.forward([Span(cache=cache, ids=ids)])[0], [0])
            found.append(time.perf_counter() - started)
        return found


class OwnEngine:
    """Our engine with its worker thread, as the engine process holds it."""

    def __init__(self, bundle: Bundle, backend: AnyBackend) -> None:
        """Raises: RuntimeError when it does not get ready."""
        self.backend = backend
        self._bundle = bundle
        self._loop = asyncio.new_event_loop()
        self._engine = LocalEngine(EngineChoice(model=bundle.path), load_model=self._load)
        self._loop.run_until_complete(self._ready())

    def ask(self, questions: Sequence[Question]) -> float:
        """Seconds until all are answered, which come at once from as many windows."""
        started = time.perf_counter()
        self._loop.run_until_complete(self._ask(questions))
        return time.perf_counter() - started

    def close(self) -> None:
        self._loop.run_until_complete(self._engine.close())
        self._loop.close()

    def _load(self, _: Path | None) -> ResidentModel:
        return ResidentModel(self.backend, self._bundle.load_tokenizer(), str(self._bundle.path))

    async def _ready(self) -> None:
        while (status := await self._engine.status()).state is EngineState.LOADING:
            await asyncio.sleep(POLL_SECONDS)
        if status.state is EngineState.FAILED:
            raise RuntimeError(status.message)

    async def _ask(self, questions: Sequence[Question]) -> None:
        await asyncio.gather(*(self._engine.complete(_request(*each)) for each in enumerate(questions)))


def _request(window: int, question: Question) -> CompletionRequest:
    return CompletionRequest(
        document=f"window {window}",
        prompt_ids=question.prompt,
        sampling=SamplingParams(
            temperature=question.temperature,
            top_p=question.top_p,
            max_new_tokens=question.new_tokens,
            num_candidates=question.candidates,
        ),
        stop=StopRule.NONE,
    )


class Engines:
    """All that is measured on one device."""

    def __init__(self, bundle_path: Path, device: str) -> None:
        # transformers takes seconds to import, and only this needs it
        from benchmarks.engine.runners.transformers_generate import KeptCache

        bundle = open_bundle(bundle_path)
        self.device = torch.device(device)
        self.own = {name: OwnEngine(bundle, own_backend(bundle, device, name)) for name in OWN}
        self.peer = KeptCache(bundle.path, torch.get_num_threads(), "fp32" if device == "cpu" else "bf16", device)
        self.names = (*OWN, TRANSFORMERS)

    def ask(self, name: str, question: Question) -> float:
        """Seconds to the whole answer."""
        return self.own[name].ask([question]) if name in self.own else self.peer.ask(question).seconds

    def close(self) -> None:
        for engine in self.own.values():
            engine.close()
