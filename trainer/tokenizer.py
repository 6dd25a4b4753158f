"""The tokenizer stage: a corpus in, `tokenizer.json` and a report out. What a token is, `lsp_server.model` says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from lsp_server.errors import CorpusError
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.config import TokenizerConfig
from trainer.corpus.filters import share_of
from trainer.corpus.store import CorpusManifest, read_documents, read_manifest

TOKENIZER = "tokenizer.json"
REPORT = "report.json"
MEASURED_BYTES = 2_000_000
"""Held-out text that the report's bytes per token are measured on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerReport:
    """How well the vocabulary fits."""

    vocab_size: int
    sample_bytes: int
    """Text that the merges were learnt from."""
    bytes_per_token: float
    """On text the merges were not learnt from, where the corpus holds any out."""
    corpus_hash: str


def train_tokenizer(corpus: Path, out: Path, config: TokenizerConfig) -> TokenizerReport:
    """Learn the vocabulary into `out`, written beside it and renamed when whole.

    Raises: CorpusError when there is no finished corpus, too little text in it, or no room to write.
    """
    manifest = read_manifest(corpus)
    share = min(1.0, config.sample_bytes / max(1, manifest.num_bytes("train")))
    sample = _Sample(corpus, share)
    tokenizer = CodeTokenizer.train(iter(sample), config.vocab_size)
    report = TokenizerReport(
        vocab_size=tokenizer.vocab_size,
        sample_bytes=sample.num_bytes,
        bytes_per_token=_bytes_per_token(corpus, manifest, tokenizer),
        corpus_hash=manifest.corpus_hash,
    )
    _write(out, tokenizer, report)
    return report


class _Sample:
    """The texts that the merges are learnt from: drawn by hash, so never only the first sources."""

    def __init__(self, corpus: Path, share: float) -> None:
        self._corpus = corpus
        self._share = share
        self.num_bytes = 0

    def __iter__(self) -> Iterator[str]:
        for document in read_documents(self._corpus, "train"):
            if share_of(f"tokenizer {document.sha256}") < self._share:
                self.num_bytes += len(document.text.encode())
                yield document.text


def _bytes_per_token(corpus: Path, manifest: CorpusManifest, tokenizer: CodeTokenizer) -> float:
    split = "heldout" if manifest.num_documents("heldout") else "train"
    share = MEASURED_BYTES / max(1, manifest.num_bytes(split))
    num_bytes = num_tokens = 0
    for document in read_documents(corpus, split):
        if share_of(f"measure {document.sha256}") < share or not num_tokens:
            num_bytes += len(document.text.encode())
            num_tokens += len(tokenizer.encode(document.text))
    return round(num_bytes / max(1, num_tokens), 4)


def _write(out: Path, tokenizer: CodeTokenizer, report: TokenizerReport) -> None:
    partial = out.with_name(f".{out.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        tokenizer.save(partial / TOKENIZER)
        (partial / REPORT).write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(out, ignore_errors=True)
        partial.rename(out)
    except OSError as error:
        raise CorpusError(f"tokenizer {out} cannot be written: {error}; free space, or choose another --run") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
