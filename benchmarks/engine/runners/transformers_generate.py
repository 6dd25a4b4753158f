"""transformers.generate as a runner, at its best: the KV cache stays between requests, cut to the common prefix."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks.engine.protocol import Answer, Hello, Question, common_prefix, serve
from trainer.config import ModelConfig
from trainer.tuning.pretrained import load_network

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class KeptCache:
    """GPT2LMHeadModel with one DynamicCache, which holds all of the last request but its last token."""

    def __init__(self, bundle: Path, threads: int, dtype: str, device: str = "cpu") -> None:
        torch.set_num_threads(threads)
        self._device = device
        plain = load_network(ModelConfig(pretrained=str(bundle), context_tokens=16), 0)  # reads int8 bundles too
        self._network: Any = plain.to(device, DTYPES[dtype])
        self._network.eval()
        self._network.generation_config.eos_token_id = None  # nothing ends before the asked number of tokens
        self._network.generation_config.pad_token_id = 0
        self._ids: tuple[int, ...] = ()
        self._cache: Any = self._new_cache()
        self.hello = Hello(version=f"transformers {transformers.__version__}", threads=threads, backend=dtype)
        self.pid = os.getpid()

    @torch.inference_mode()
    def ask(self, question: Question) -> Answer:
        started = time.perf_counter()
        num_kept = self._cut_cache(question)
        output = self._network.generate(
            torch.tensor([question.prompt], device=self._device),
            attention_mask=torch.ones(1, len(question.prompt), dtype=torch.long, device=self._device),
            past_key_values=self._cache,
            max_new_tokens=question.new_tokens,
            **_drawing(question),
        )[0].tolist()
        seconds = time.perf_counter() - started
        self._ids = tuple(output[:-1])  # the last token was never fed back
        new = tuple(output[len(question.prompt) :])
        return Answer(seconds=seconds, tokens=(new,), read_tokens=len(question.prompt) - num_kept)

    def close(self) -> None:
        pass

    def _cut_cache(self, question: Question) -> int:
        """Leave what the prompt begins with in the cache, but one token to read; returns its length."""
        num_common = min(common_prefix(self._ids, question.prompt), len(question.prompt) - 1)
        if num_common == 0:
            self._cache = self._new_cache()
        else:
            self._cache.crop(num_common - len(self._ids))  # transformers 5 counts what goes, as a negative number
        assert self._cache.get_seq_length() == num_common
        return num_common

    def _new_cache(self) -> Any:  # Any: transformers is untyped here
        return transformers.DynamicCache(config=self._network.config)


def _drawing(question: Question) -> dict[str, Any]:  # Any: generate's own keywords
    if question.temperature == 0.0:
        return {"do_sample": False}
    return {"do_sample": True, "temperature": question.temperature, "top_p": question.top_p, "top_k": 0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--dtype", choices=sorted(DTYPES), required=True)
    options = parser.parse_args()
    serve(lambda: KeptCache(options.bundle, options.threads, options.dtype))


if __name__ == "__main__":
    main()
