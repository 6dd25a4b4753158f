"""The figures of one model: measured, written as JSON, read again. Owns which text is judged."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from lsp_server.errors import CorpusError, EvaluationError
from trainer.config import EvaluateConfig, Recipe
from trainer.corpus import Document, read_documents
from trainer.evaluate.baselines import xz_bits_per_byte
from trainer.evaluate.completion import MODEL, Answer, KindFigures, answer_tasks, draw_all_tasks, figures_by_kind
from trainer.evaluate.likelihood import Likelihood, open_scorer
from trainer.evaluate.metrics import Mean, Means
from trainer.folders import write_whole

FIGURES = "figures.json"
ANSWERS = "answers.jsonl"
FORMAT_VERSION = 2
_CONTEXT_SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a model is worth on text it never saw. Shares and accuracies from 0 to 1."""

    num_documents: int
    num_bytes: int
    bits_per_byte: float
    next_token_accuracy: float
    bits_per_byte_by_source: dict[str, float]
    xz_bits_per_byte: float
    completion: dict[str, KindFigures] = field(default_factory=dict)
    """By kind of task."""

    def summary(self) -> str:
        """One line."""
        parts = [
            f"{self.bits_per_byte:.3f} bits a byte (xz {self.xz_bits_per_byte:.3f})",
            f"next token {self.next_token_accuracy:.1%}",
        ]
        for kind, figures in self.completion.items():
            model, copied = figures.by_way[MODEL], figures.by_way["copy"]
            parts.append(f"{kind} exact {model.exact.value:.1%} (copying {copied.exact.value:.1%})")
        return ", ".join(parts)


def evaluate(recipe: Recipe, run_dir: Path) -> Figures:
    """Judge a run's model on the corpus's held-out part; writes the figures and every answer.

    Raises: CorpusError when nothing was held out.
    """
    documents = draw_documents(read_documents(run_dir / "corpus", "heldout"), recipe.evaluate.max_bytes)
    figures, answers = evaluate_model(run_dir / "bundle", documents, recipe.evaluate, recipe.seed)
    write_figures(run_dir / "evaluation", figures, answers)
    return figures


def write_figures(folder: Path, figures: Figures, answers: Sequence[Answer]) -> None:
    """Write the answers, then the figures, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / ANSWERS, "".join(json.dumps(_answer_entry(answer)) + "\n" for answer in answers))
    write_whole(folder / FIGURES, json.dumps({"format_version": FORMAT_VERSION, **asdict(figures)}, indent=2) + "\n")


def read_figures(run_dir: Path) -> Figures:
    """The figures of a run that has been evaluated. Raises: EvaluationError."""
    return load_figures(run_dir / "evaluation" / FIGURES)


def load_figures(path: Path) -> Figures:
    """Raises: EvaluationError when there are none, or they are of another version."""
    remedy = "evaluate again with `parrotlet-train evaluate`"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("format_version", 1) != FORMAT_VERSION:
            raise EvaluationError(f"{path} is of another version: {remedy}")
        kinds = {kind: _kind_from_json(entry) for kind, entry in values.pop("completion").items()}
        return Figures(**values, completion=kinds)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvaluationError(f"{path} holds no figures ({error!r}): {remedy}") from error


def _kind_from_json(entry: dict[str, Any]) -> KindFigures:  # Any: JSON
    def means(values: dict[str, Any]) -> Means:  # Any: JSON
        return Means(**{name: Mean(**mean) for name, mean in values.items()})

    return KindFigures(
        num_tasks=entry["num_tasks"],
        by_way={way: means(values) for way, values in entry["by_way"].items()},
        by_source={source: means(values) for source, values in entry["by_source"].items()},
    )


def draw_documents(documents: Iterable[Document], max_bytes: int) -> list[Document]:
    """Whole documents in the order of their hashes, up to `max_bytes` of text, and at least one."""
    drawn: list[Document] = []
    num_bytes = 0
    for document in sorted(documents, key=lambda each: each.sha256):
        num_bytes += len(document.text.encode())
        if drawn and num_bytes > max_bytes:
            break
        drawn.append(document)
    if not drawn:
        raise CorpusError("nothing was held out to judge by: name corpus.heldout_sources or raise corpus.heldout_share")
    return drawn


def evaluate_model(
    model: Path, documents: Sequence[Document], config: EvaluateConfig, seed: int
) -> tuple[Figures, list[Answer]]:
    """Measure a bundle or a model from the Hub on documents, beside the baselines on the same text.

    Raises: BundleError when the folder holds no model that can be run.
    """
    by_source = _likelihood_by_source(model, documents)
    total = sum(by_source.values(), Likelihood())
    answers = answer_tasks(model, draw_all_tasks(documents, config.kinds, config.tasks, seed))
    figures = Figures(
        num_documents=len(documents),
        num_bytes=total.num_bytes,
        bits_per_byte=total.bits_per_byte,
        next_token_accuracy=total.accuracy,
        bits_per_byte_by_source={name: part.bits_per_byte for name, part in sorted(by_source.items())},
        xz_bits_per_byte=xz_bits_per_byte(document.text for document in documents),
        completion=figures_by_kind(answers),
    )
    return figures, answers


def _likelihood_by_source(model: Path, documents: Sequence[Document]) -> dict[str, Likelihood]:
    scorer = open_scorer(model, "cuda" if torch.cuda.is_available() else "cpu")
    by_source: dict[str, Likelihood] = defaultdict(Likelihood)
    for document in tqdm(documents, desc="bits per byte", unit="file", delay=2):
        if document.text:
            by_source[document.source] += scorer.score(document.text.replace("\r\n", "\n"))
    return by_source


def _answer_entry(answer: Answer) -> dict[str, object]:
    return {
        "kind": answer.task.kind,
        "source": answer.task.source,
        "path": answer.task.path,
        "before": answer.task.before[-_CONTEXT_SHOWN:],
        "target": answer.task.target,
        "after": answer.task.after[:_CONTEXT_SHOWN],
        "proposed": answer.proposed,
        "scores": {way: asdict(scored) for way, scored in answer.scores.items()},
    }
