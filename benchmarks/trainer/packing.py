"""How fast text becomes tokens and tokens become rows, a core, and how much text filling in the middle costs.

Speeds are per second of processor time, all threads and processes counted, so that a busy machine changes them little.
The text is this Python's standard library.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn import functional as F

from benchmarks.report import Figure
from benchmarks.trainer.processor_time import best_of
from lsp_server.model.document_mask import DocumentMask
from lsp_server.model.gpt2 import GPT2, GPT2Config
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.config import CorpusConfig, PackingConfig, TokenizerConfig
from trainer.corpus import read_documents
from trainer.corpus.build import build_corpus
from trainer.dataset import (
    IGNORED_LABEL,
    BatchReader,
    CorpusTexts,
    DocumentRows,
    FillInMiddle,
    PackedRows,
    RowMaker,
    RowSource,
    StreamedRows,
)
from trainer.packing import TokenStream, pack
from trainer.tokenizer import train_tokenizer

TARGET_MB_A_CORE = 5.0
ROW_TOKENS = 512
STRIDE = 10
REPEATS = 3


def figures(quick: bool) -> list[Figure]:
    """Packing, every kind of rows, and what filling in loses."""
    num_bytes, num_rows = (3_000_000, 200) if quick else (40_000_000, 3000)
    with tempfile.TemporaryDirectory() as name:
        bench = _Bench.prepare(Path(name), num_bytes)
        return [*bench.packing(), *bench.rows(num_rows), *bench.masking(num_rows), *bench.losses(num_rows)]


class _Bench:
    """A corpus of the standard library, with its tokenizer."""

    def __init__(self, folder: Path, tokenizer: CodeTokenizer) -> None:
        self._folder, self._tokenizer = folder, tokenizer
        self._tokenizer_path = folder / "tokenizer" / "tokenizer.json"
        self._texts = [document.text for document in read_documents(folder / "corpus")]
        self._megabytes = sum(len(text.encode()) for text in self._texts) / 1e6

    @classmethod
    def prepare(cls, folder: Path, num_bytes: int) -> _Bench:
        config = CorpusConfig(sources=("stdlib",), max_bytes_per_source=num_bytes)
        build_corpus(config, folder / "corpus")
        train_tokenizer(
            folder / "corpus", folder / "tokenizer", TokenizerConfig(vocab_size=8192, sample_bytes=8 * 10**6)
        )
        return cls(folder, CodeTokenizer.load(folder / "tokenizer" / "tokenizer.json"))

    def packing(self) -> list[Figure]:
        """Our packing, reading and writing included, beside the tokenizers library, encoding only."""
        library = Tokenizer.from_file(str(self._tokenizer_path))
        figures = []
        for name, processes in (("one process", 1), ("a process a core", 0)):
            with _parallelism(processes != 1):
                peer = best_of(REPEATS, lambda: library.encode_batch_fast(self._texts, add_special_tokens=False))
            seconds = best_of(REPEATS, lambda n=processes: self._pack(n))  # type: ignore[misc]
            figures.append(
                Figure(
                    name=f"packing, {name}",
                    value=self._megabytes / seconds,
                    unit="MB/core-s",
                    peer="tokenizers, encoding only",
                    peer_value=self._megabytes / peer,
                    target=TARGET_MB_A_CORE,
                    higher_is_better=True,
                )
            )
        return figures

    def _pack(self, processes: int) -> None:
        pack(
            self._folder / "corpus",
            self._tokenizer_path,
            self._folder / "packed",
            PackingConfig(processes=processes),
        )

    def rows(self, num_rows: int) -> list[Figure]:
        """Each kind of rows with filling in at 0.5, in tokens, beside what a 34M model reads here."""
        model = _model_tokens_per_second(None)
        figures = [
            Figure(
                name=f"rows, {name}",
                value=num_rows * ROW_TOKENS / best_of(REPEATS, lambda rows=rows: BatchReader(rows()).take(num_rows)),  # type: ignore[misc]
                unit="tokens/core-s",
                peer="the 34M model's training",
                peer_value=model,
                higher_is_better=True,
            )
            for name, rows in self._sources(0.5).items()
        ]
        streamed = best_of(REPEATS, lambda: BatchReader(self._sources(0.0)["streamed"]()).take(num_rows))
        peer = best_of(REPEATS, lambda: list(islice(self._constant_length_rows(), num_rows)))
        figures.append(
            Figure(
                name="rows, streamed, nothing rearranged",
                value=num_rows * ROW_TOKENS / streamed,
                unit="tokens/core-s",
                peer="CodeParrot's way: constant-length loop",
                peer_value=num_rows * ROW_TOKENS / peer,
                higher_is_better=True,
            )
        )
        return figures

    def _sources(self, rate: float) -> dict[str, Callable[[], RowSource]]:
        fill = FillInMiddle.of(self._tokenizer, rate=rate)
        maker = RowMaker(row_tokens=ROW_TOKENS, seed=0, fill_in_middle=fill)
        stream = TokenStream.open(self._folder / "packed", "train")
        masked = replace(maker, document_mask=True)
        return {
            "packed": lambda: PackedRows(stream=stream, maker=maker),
            "packed, documents apart": lambda: PackedRows(stream=stream, maker=masked),
            f"strided by {STRIDE}": lambda: DocumentRows.strided(stream, maker, STRIDE),
            "chunks": lambda: DocumentRows.chunks(stream, maker),
            "streamed": lambda: StreamedRows(CorpusTexts(self._folder / "corpus"), maker, 256),
        }

    def _constant_length_rows(self) -> Iterator[list[int]]:
        """Fill a buffer with texts, encode them together, join them with ends between, cut, drop the tail.

        How CodeParrot's pretraining script streams; written anew.
        """
        texts = (document.text for document in read_documents(self._folder / "corpus"))
        buffered_characters = int(ROW_TOKENS * 1024 * 3.6)
        while True:
            buffer: list[str] = []
            size = 0
            while size < buffered_characters:
                text = next(texts, None)
                if text is None:
                    texts = (document.text for document in read_documents(self._folder / "corpus"))
                    continue
                buffer.append(text)
                size += len(text)
            ids: list[int] = []
            for encoded in self._tokenizer.encode_batch(buffer):
                ids += [*encoded, self._tokenizer.end_of_text]
            for start in range(0, len(ids) - ROW_TOKENS, ROW_TOKENS):
                yield ids[start : start + ROW_TOKENS]

    def losses(self, num_rows: int) -> list[Figure]:
        """Of the text in packed rows' windows: what the suffixes' ends lose, and the padding in its place."""
        rows, plain = (self._sources(rate)["packed"]() for rate in (0.5, 0.0))
        kept, read, padded = 0, 0, 0
        for number in range(num_rows):
            kept += self._num_text_bytes(rows[number]["labels"])  # type: ignore[index]
            read += self._num_text_bytes(plain[number]["labels"])  # type: ignore[index]
            padded += int((rows[number]["labels"] == IGNORED_LABEL).sum())  # type: ignore[index]
        return [
            Figure(name="text lost to filling in, of packed rows", value=1 - kept / read, unit="share"),
            Figure(name="padding, of packed rows", value=padded / (num_rows * ROW_TOKENS), unit="share"),
        ]

    def masking(self, num_rows: int) -> list[Figure]:
        """What keeping documents apart costs: time in attention, and practice at the later positions."""
        rows = BatchReader(self._sources(0.0)["packed, documents apart"]()).take(num_rows)
        positions = DocumentMask.of(rows["segments"]).positions_T
        return [
            Figure(
                name="training the 34M model, documents apart",
                value=_model_tokens_per_second(rows["segments"][:2]),
                unit="tokens/s",
                peer="attending to all before",
                peer_value=_model_tokens_per_second(None),
                higher_is_better=True,
            ),
            Figure(
                name="tokens in the second half of the positions",
                value=float((positions >= ROW_TOKENS // 2).float().mean()),
                unit="share",
                peer="attending to all before",
                peer_value=0.5,
            ),
        ]

    def _num_text_bytes(self, labels: torch.Tensor) -> int:
        return len(self._tokenizer.decode_bytes(labels[labels != IGNORED_LABEL].tolist()))


@contextmanager
def _parallelism(wanted: bool) -> Iterator[None]:
    """The tokenizers library's threads on or off."""
    before = os.environ.get("TOKENIZERS_PARALLELISM")
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if wanted else "false"
    try:
        yield
    finally:
        os.environ.pop("TOKENIZERS_PARALLELISM")
        if before is not None:
            os.environ["TOKENIZERS_PARALLELISM"] = before


def _model_tokens_per_second(segments: torch.Tensor | None) -> float:
    """Forward and backward of 2 rows in full precision, on all cores; wall-clock time, the best of three."""
    network = GPT2(GPT2Config(vocab_size=16_384, context_tokens=ROW_TOKENS, width=512, num_layers=8, num_heads=8))
    ids = torch.from_numpy(np.random.default_rng(0).integers(16_384, size=(2, ROW_TOKENS)))
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        loss = F.cross_entropy(network(ids, segments).flatten(0, 1), ids.flatten())
        torch.autograd.backward([loss])
        seconds.append(time.perf_counter() - started)
    return ids.numel() / min(seconds)
