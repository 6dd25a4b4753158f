"""CTranslate2 as a runner. It keeps the state of a prompt only for requests that begin with exactly that prompt.

So a prompt's beginning is declared static, and reused while the cursor moves on from it; what was typed since then is
read anew at each request. Further its caching does not go: nothing can be cut off a state that is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import ctranslate2

from benchmarks.engine.protocol import Answer, Hello, Question, serve

MOST_TYPED_TOKENS = 64
"""Behind the static beginning; then a new beginning is declared."""


class StaticPrompt:
    """A Generator and the static beginning in use."""

    def __init__(self, model: Path, threads: int, kind: str) -> None:
        self._generator = ctranslate2.Generator(
            str(model), device="cpu", compute_type=kind, intra_threads=threads, inter_threads=1
        )
        self._words: list[str] = json.loads((model / "vocabulary.json").read_text(encoding="utf-8"))
        self._static: tuple[int, ...] = ()
        version = f"CTranslate2 {ctranslate2.__version__}"
        self.hello = Hello(version=version, threads=threads, backend=self._generator.compute_type)
        self.pid = os.getpid()

    def ask(self, question: Question) -> Answer:
        started = time.perf_counter()
        static, read = self._split(question)
        prompt = [self._words[token] for token in question.prompt]
        result = self._generator.generate_batch(
            [prompt[len(static) :]],
            static_prompt=prompt[: len(static)] or None,
            cache_static_prompt=bool(static),
            max_length=question.new_tokens,
            min_length=question.new_tokens,
            include_prompt_in_result=False,
            sampling_topk=1 if question.temperature == 0.0 else 0,
            sampling_topp=question.top_p,
            sampling_temperature=question.temperature or 1.0,
        )[0]
        seconds = time.perf_counter() - started
        return Answer(seconds=seconds, tokens=(tuple(result.sequences_ids[0]),), read_tokens=read)

    def close(self) -> None:
        pass

    def _split(self, question: Question) -> tuple[tuple[int, ...], int]:
        """The static beginning of the prompt, and how many tokens will be read."""
        if not question.keep:
            return (), len(question.prompt)
        num_typed = len(question.prompt) - len(self._static)
        is_start = question.prompt[: len(self._static)] == self._static
        if self._static and is_start and 0 < num_typed <= MOST_TYPED_TOKENS:
            return self._static, num_typed
        self._static = question.prompt[:-1]
        return self._static, len(question.prompt)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a folder of benchmarks.engine.ctranslate2_model")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--kind", default="int8")
    options = parser.parse_args()
    serve(lambda: StaticPrompt(options.model, options.threads, options.kind))


if __name__ == "__main__":
    main()
