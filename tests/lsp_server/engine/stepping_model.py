"""A model whose every step waits for the test, so that what happens between two steps is no matter of luck."""

from __future__ import annotations

import threading
from collections.abc import Generator
from pathlib import Path

from lsp_server.engine.api import (
    Candidate,
    CompletionRequest,
    CompletionResult,
    FinishReason,
    OnTokens,
    SamplingParams,
    Timings,
)

WAIT_SECONDS = 20.0


class SteppingModel:
    """Answers with its name; a request takes `max_new_tokens` steps, a prefill one step a token."""

    def __init__(self, name: str = "stepping", *, free: bool = False) -> None:
        self.name, self.device, self.backend_name = name, "cpu", "scripted"
        self.message = ""
        self.log: list[str] = []
        """What the worker made it do: `begin D`, `step D`, `end D`, `forget D`, `pass`."""
        self.failures: dict[str, Exception] = {}
        """Raised by the first step of a document's work."""
        self.device_failure: Exception | None = None
        """Raised by the next pass."""
        self._permits = threading.Semaphore(0)
        self._free = threading.Event()
        self._waiting = threading.Semaphore(0)
        if free:
            self.free()

    def allow(self, num_steps: int = 1) -> None:
        """Let that many steps happen."""
        for _ in range(num_steps):
            self._permits.release()

    def free(self) -> None:
        """Never wait again."""
        self._free.set()
        self._permits.release()

    def wait_until_in_step(self) -> None:
        """Until the worker stands inside a step that has not been allowed yet."""
        assert self._waiting.acquire(timeout=WAIT_SECONDS)

    def complete(
        self, request: CompletionRequest, received_at: float, on_tokens: OnTokens | None = None
    ) -> Generator[list[str], list[str], CompletionResult]:
        yield from self._steps(request.document, request.sampling.max_new_tokens, on_tokens)
        candidate = Candidate(text=self.name, token_ids=(1,), mean_logprob=-1.0, finish_reason=FinishReason.LENGTH)
        timings = Timings(queue_ms=0.0, prefill_ms=0.0, decode_ms=0.0, prompt_tokens=10, reused_tokens=4, new_tokens=1)
        return CompletionResult(candidates=(candidate,), timings=timings)

    def prefill(self, document: str, prompt_ids: tuple[int, ...]) -> Generator[list[str], list[str], None]:
        yield from self._steps(f"prefill {document}", len(prompt_ids), None)

    def forget(self, document: str) -> None:
        self.log.append(f"forget {document}")

    def forward(self, spans: list[str]) -> list[str]:
        """A pass over the documents that want one; each gets its own name back."""
        if not self._free.is_set():
            self._waiting.release()
            assert self._permits.acquire(timeout=WAIT_SECONDS)
        failure, self.device_failure = self.device_failure, None
        if failure is not None:
            raise failure
        self.log.append("pass")
        self.log.extend(f"step {name}" for name in spans)
        return list(spans)

    def _steps(self, name: str, count: int, on_tokens: OnTokens | None) -> Generator[list[str], list[str], None]:
        self.log.append(f"begin {name}")
        for number in range(count):
            answer = yield [name]
            assert answer == [name], "another document's logits"
            if name in self.failures:
                raise self.failures.pop(name)
            if on_tokens is not None:
                on_tokens(0, f"{number} ")
        self.log.append(f"end {name}")

    def num_steps(self, name: str) -> int:
        return self.log.count(f"step {name}")


class Loader:
    """Hands out models in turn; an exception in their place is raised."""

    def __init__(self, *models: SteppingModel | Exception, gate: threading.Event | None = None) -> None:
        self._models = list(models)
        self._gate = gate
        self.paths: list[Path | None] = []

    def __call__(self, path: Path | None) -> SteppingModel:
        if self._gate is not None:
            assert self._gate.wait(WAIT_SECONDS)
        self.paths.append(path)
        model = self._models.pop(0)
        if isinstance(model, Exception):
            raise model
        return model


def request_of(document: str = "d", num_steps: int = 3) -> CompletionRequest:
    return CompletionRequest(document=document, prompt_ids=(1, 2), sampling=SamplingParams(max_new_tokens=num_steps))
