"""The model on text that it never saw, beside xz and in-file copying on the same text.

The text is the held-out packages of the embedded model's recipe, as they are installed here: anyone can repeat it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.heldout import heldout_documents
from benchmarks.model.plan import Plan
from benchmarks.report import Figure
from trainer.config import EvaluateConfig
from trainer.evaluate import Figures, evaluate_model
from trainer.evaluate.completion import KindFigures
from trainer.evaluate.figures import draw_documents
from trainer.evaluate.sources import read_sources

BITS_PER_BYTE_TARGET, POINTS_OVER_COPY = 0.75, 15
"""The embedded model's aims; of whole lines, how many per cent more than copying finds."""


def judge_text(model: Path, sources: Sequence[str], plan: Plan, seed: int) -> tuple[list[Figure], Figures]:
    """On the held-out packages, or on other code if sources are named. Raises: BundleError, CorpusError."""
    config = EvaluateConfig(max_bytes=plan.max_bytes, tasks=plan.tasks)
    documents = draw_documents(read_sources(sources) if sources else heldout_documents(), config.max_bytes)
    figures, _ = evaluate_model(model, documents, config, seed)
    return _lines(figures, "named code" if sources else "held-out packages"), figures


def _lines(figures: Figures, text: str) -> list[Figure]:
    return [
        Figure(
            name=f"bits per byte, {text}",
            value=figures.bits_per_byte,
            unit="bits/byte",
            peer="xz -9e, a file",
            peer_value=figures.xz_bits_per_byte,
            target=BITS_PER_BYTE_TARGET,
        ),
        Figure(name="next-token accuracy", value=100 * figures.next_token_accuracy, unit="%", higher_is_better=True),
        *(each for kind, entry in figures.completion.items() for each in _completion_lines(kind, entry)),
    ]


def _completion_lines(kind: str, entry: KindFigures) -> list[Figure]:
    model, copied, ngram = entry.by_way["model"], entry.by_way["copy"], entry.by_way["6-gram"]
    return [
        Figure(
            name=f"{kind} exact match, {entry.num_tasks} tasks",
            value=100 * model.exact.value,
            unit="%",
            peer="copy after longest match",
            peer_value=100 * copied.exact.value,
            target=100 * copied.exact.value + POINTS_OVER_COPY if kind == "line" else None,
            higher_is_better=True,
        ),
        Figure(
            name=f"{kind} edit similarity",
            value=100 * model.edit_similarity.value,
            unit="%",
            peer="6-gram of the file",
            peer_value=100 * ngram.edit_similarity.value,
            higher_is_better=True,
        ),
    ]
