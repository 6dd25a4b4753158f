"""Learns the vocabulary, writes `tokenizer.json` and a report beside it. What a token is, `lsp_server.model` says."""

from __future__ import annotations

import json
import keyword
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from lsp_server.errors import CorpusError
from lsp_server.model.bundle import TOKENIZER
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.config import TokenizerConfig
from trainer.corpus.filters import share_of
from trainer.corpus.store import CorpusManifest, Document, read_documents, read_manifest
from trainer.folders import whole_folder
from trainer.tokenizer.report import Fit, TokenizerReport, listed_tokens, measure_by_kind, split_keywords

REPORT = "report.json"
REPORT_TEXT = "report.txt"
MEASURED_BYTES = 2_000_000
"""Held-out text that the report is measured on."""
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""How GPT-2 cuts text before merges. Source: `encoder.py` of its release."""


def train_tokenizer(corpus: Path, out: Path, config: TokenizerConfig) -> TokenizerReport:
    """Learn the vocabulary into `out`, written beside it and renamed when whole.

    Raises: CorpusError when there is no finished corpus, too little text in it, or no room to write.
    """
    manifest = read_manifest(corpus)
    share = min(1.0, config.sample_bytes / max(1, manifest.num_bytes("train")))
    sample = _Sample(corpus, share)
    tokenizer = _learn(sample, manifest, config.vocab_size)
    report = _report(corpus, manifest, tokenizer, sample)
    _write(out, tokenizer, report)
    return report


class _Sample:
    """The texts that the merges are learnt from: drawn by hash, so never only the first sources."""

    def __init__(self, corpus: Path, share: float) -> None:
        self._corpus = corpus
        self._share = share
        self.num_bytes = 0

    def __iter__(self) -> Iterator[str]:
        self.num_bytes = 0
        for document in read_documents(self._corpus, "train"):
            if share_of(f"tokenizer {document.sha256}") < self._share:
                self.num_bytes += len(document.text.encode())
                yield document.text


def _learn(sample: _Sample, manifest: CorpusManifest, vocab_size: int) -> CodeTokenizer:
    num_documents, num_bytes = manifest.num_documents("train"), manifest.num_bytes("train")
    if not num_documents:
        raise CorpusError("the corpus holds no training text: add sources, then run `parrotlet-train corpus` again")
    try:
        return CodeTokenizer.train(iter(sample), vocab_size)
    except CorpusError as error:
        raise CorpusError(
            f"{num_documents:,} documents with {num_bytes / 1e3:,.0f} kB are too little for tokenizer.vocab_size "
            f"{vocab_size:,} ({error}); or fine-tune a pretrained model, which brings its own tokenizer"
        ) from error


def _report(corpus: Path, manifest: CorpusManifest, tokenizer: CodeTokenizer, sample: _Sample) -> TokenizerReport:
    split = "heldout" if manifest.num_documents("heldout") else "train"
    gpt2 = _learn_as_gpt2(sample, tokenizer.vocab_size)
    by_kind = measure_by_kind(_measured(corpus, manifest, split), tokenizer, gpt2)
    total = sum(by_kind.values(), Fit())
    longest, last = listed_tokens(tokenizer)
    split_words = split_keywords(tokenizer)
    gpt2_fit = total.gpt2_characters_per_token
    return TokenizerReport(
        vocab_size=tokenizer.vocab_size,
        sample_bytes=sample.num_bytes,
        measured_on=split,
        bytes_per_token=round(total.num_bytes / max(1, total.num_tokens), 4),
        characters_per_token=round(total.characters_per_token, 4),
        gpt2_characters_per_token=None if gpt2_fit is None else round(gpt2_fit, 4),
        by_kind=by_kind,
        keyword_share=round(1 - len(split_words) / len(keyword.kwlist), 4),
        split_keywords=split_words,
        longest_tokens=longest,
        last_tokens=last,
        corpus_hash=manifest.corpus_hash,
    )


def _learn_as_gpt2(sample: _Sample, vocab_size: int) -> CodeTokenizer | None:
    """The peer: only the cuts differ. None where they leave too few pieces to learn as many tokens."""
    try:
        return CodeTokenizer.train(iter(sample), vocab_size, GPT2_PATTERN)
    except CorpusError:
        return None


def _measured(corpus: Path, manifest: CorpusManifest, split: str) -> Iterator[Document]:
    """Drawn by hash; one document at least."""
    share = MEASURED_BYTES / max(1, manifest.num_bytes(split))
    any_yet = False
    for document in read_documents(corpus, split):
        if share_of(f"measure {document.sha256}") < share or not any_yet:
            any_yet = True
            yield document


def _write(out: Path, tokenizer: CodeTokenizer, report: TokenizerReport) -> None:
    try:
        with whole_folder(out) as folder:
            tokenizer.save(folder / TOKENIZER)
            (folder / REPORT).write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
            (folder / REPORT_TEXT).write_text(report.text(), encoding="utf-8")
    except OSError as error:
        raise CorpusError(f"tokenizer {out} cannot be written: {error}; free space, or choose another --run") from error
