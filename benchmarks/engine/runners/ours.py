"""Parrotlet's engine as a runner: `LocalEngine`, as the engine process holds it. The one place that constructs it."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

from benchmarks.engine.protocol import Answer, Hello, Question, serve
from lsp_server.engine.api import CompletionRequest, EngineState, SamplingParams, StopRule
from lsp_server.engine.choice import BACKENDS, EngineChoice
from lsp_server.engine.local import LocalEngine

POLL_SECONDS = 0.001
DOCUMENT = "benchmark"


class Ours:
    """The engine in this process."""

    def __init__(self, bundle: Path, threads: int | None, backend: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._engine = LocalEngine(EngineChoice(model=bundle, device="cpu", threads=threads, backend=backend))
        self._loop.run_until_complete(self._ready())
        self.hello = Hello(version="this checkout", threads=threads or 0)

    def ask(self, question: Question) -> Answer:
        request = CompletionRequest(
            document=DOCUMENT,
            prompt_ids=question.prompt,
            sampling=SamplingParams(
                temperature=question.temperature,
                top_p=question.top_p,
                max_new_tokens=question.new_tokens,
                num_candidates=question.candidates,
            ),
            stop=StopRule.NONE,
        )
        started = time.perf_counter()
        result = self._loop.run_until_complete(self._engine.complete(request))
        seconds = time.perf_counter() - started
        timings = result.timings
        return Answer(
            seconds=seconds,
            tokens=tuple(candidate.token_ids for candidate in result.candidates),
            read_tokens=timings.prompt_tokens - timings.reused_tokens,
            inside_seconds=(timings.prefill_ms + timings.decode_ms) / 1000,
        )

    @property
    def pid(self) -> int:
        return self._loop.run_until_complete(self._engine.status()).pid

    def close(self) -> None:
        self._loop.run_until_complete(self._engine.close())
        self._loop.close()

    async def _ready(self) -> None:
        while (status := await self._engine.status()).state is EngineState.LOADING:
            await asyncio.sleep(POLL_SECONDS)
        if status.state is EngineState.FAILED:
            raise RuntimeError(status.message)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=None, help="(default: the engine's own choice)")
    parser.add_argument("--backend", choices=BACKENDS, default="auto")
    options = parser.parse_args()
    serve(lambda: Ours(options.bundle, options.threads, options.backend))


if __name__ == "__main__":
    main()
