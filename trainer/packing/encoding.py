"""Batches of texts to ids, in their order, in this process or in several. Knows nothing of shards.

Processes, because threads would wait for each other: looking pieces up holds Python's lock, and is still three times as
fast a core as the tokenizers library's threads (`python -m benchmarks.trainer`).
"""

from __future__ import annotations

import functools
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lsp_server.errors import CorpusError
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.packing.cached_encoder import CachedEncoder

EncodeBatches = Callable[[Iterator[list[str]]], Iterator[tuple[list[str], list[bytes]]]]
"""Each batch of texts with their ids, as bytes of the dtype."""


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def encoding(tokenizer_path: Path, dtype: np.dtype[Any], num_processes: int) -> Iterator[EncodeBatches]:
    """An encoder that keeps what it has learnt of the text while it is open."""
    if num_processes == 1:
        encoder = CachedEncoder(CodeTokenizer.load(tokenizer_path), dtype)
        yield lambda batches: ((texts, [encoder.encode(text) for text in texts]) for texts in batches)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the tokenizers library's locks as they stand
    with ProcessPoolExecutor(num_processes, context) as executor:

        def submit(texts: list[str]) -> Future[list[bytes]]:
            return executor.submit(_encode, str(tokenizer_path), dtype.str, texts)

        yield functools.partial(_in_order, submit, 2 * num_processes)


def _in_order(
    submit: Callable[[list[str]], Future[list[bytes]]], most: int, batches: Iterator[list[str]]
) -> Iterator[tuple[list[str], list[bytes]]]:
    """Keep `most` batches under way, so that memory stays flat and no process waits."""
    waiting: deque[tuple[list[str], Future[list[bytes]]]] = deque()
    for texts in batches:
        waiting.append((texts, submit(texts)))
        if len(waiting) > most:
            yield _finished(*waiting.popleft())
    while waiting:
        yield _finished(*waiting.popleft())


def _finished(texts: list[str], future: Future[list[bytes]]) -> tuple[list[str], list[bytes]]:
    try:
        return texts, future.result()
    except BrokenProcessPool as error:
        raise CorpusError(
            "a process that encodes text has died, most likely out of memory: set packing.processes = 1 and pack again"
        ) from error


def _encode(tokenizer_path: str, dtype: str, texts: list[str]) -> list[bytes]:
    encoder = _encoder_of_this_process(tokenizer_path, dtype)
    return [encoder.encode(text) for text in texts]


@functools.cache
def _encoder_of_this_process(tokenizer_path: str, dtype: str) -> CachedEncoder:
    return CachedEncoder(CodeTokenizer.load(Path(tokenizer_path)), dtype)
