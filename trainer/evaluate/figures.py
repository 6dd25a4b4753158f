"""The figures of one bundle: measured, written as JSON, read again. Owns which text is judged."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path

import torch
from tqdm import tqdm

from lsp_server.errors import CorpusError
from lsp_server.model.bundle import open_bundle
from lsp_server.model.weights import load_gpt2
from trainer.config import EvaluateConfig, Recipe
from trainer.corpus import Document, read_documents
from trainer.evaluate.baselines import xz_bits_per_byte
from trainer.evaluate.likelihood import Likelihood, score
from trainer.evaluate.line_completion import LineAnswer, answer_tasks, draw_tasks

FIGURES = "figures.json"
ANSWERS = "line_answers.jsonl"
_CONTEXT_SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a bundle is worth on held-out text. Shares and accuracies from 0 to 1."""

    num_documents: int
    num_bytes: int
    bits_per_byte: float
    next_token_accuracy: float
    bits_per_byte_by_source: dict[str, float]
    xz_bits_per_byte: float
    num_line_tasks: int
    line_exact_match: float
    line_exact_match_error: float
    """One standard error."""
    line_edit_similarity: float
    copy_line_exact_match: float
    """Of the rule: copy what followed the longest match in this file."""


def evaluate(recipe: Recipe, run_dir: Path) -> Figures:
    """Judge a run's bundle on the corpus's held-out part; writes the figures and every line answer.

    Raises: CorpusError when nothing was held out.
    """
    documents = draw_documents(read_documents(run_dir / "corpus", "heldout"), recipe.evaluate.max_bytes)
    figures, answers = evaluate_bundle(run_dir / "bundle", documents, recipe.evaluate, recipe.seed)
    folder = run_dir / "evaluation"
    folder.mkdir(exist_ok=True)
    with (folder / ANSWERS).open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(_answer_entry(answer)) + "\n" for answer in answers)
    (folder / FIGURES).write_text(json.dumps(asdict(figures), indent=2) + "\n", encoding="utf-8")
    return figures


def read_figures(run_dir: Path) -> Figures:
    """The figures of a run that has been evaluated."""
    return Figures(**json.loads((run_dir / "evaluation" / FIGURES).read_text(encoding="utf-8")))


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


def evaluate_bundle(
    bundle: Path, documents: Sequence[Document], config: EvaluateConfig, seed: int
) -> tuple[Figures, list[LineAnswer]]:
    """Measure a bundle on documents, beside the baselines on the same text."""
    by_source = _likelihood_by_source(bundle, documents)
    total = sum(by_source.values(), Likelihood())
    answers = answer_tasks(bundle, draw_tasks(documents, config.tasks, seed))
    exact = _share([answer.is_exact for answer in answers])
    figures = Figures(
        num_documents=len(documents),
        num_bytes=total.num_bytes,
        bits_per_byte=total.bits_per_byte,
        next_token_accuracy=total.accuracy,
        bits_per_byte_by_source={name: part.bits_per_byte for name, part in sorted(by_source.items())},
        xz_bits_per_byte=xz_bits_per_byte(document.text for document in documents),
        num_line_tasks=len(answers),
        line_exact_match=exact,
        line_exact_match_error=sqrt(exact * (1 - exact) / max(1, len(answers))),
        line_edit_similarity=_share([answer.edit_similarity for answer in answers]),
        copy_line_exact_match=_share([answer.copy_is_exact for answer in answers]),
    )
    return figures, answers


def _likelihood_by_source(bundle: Path, documents: Sequence[Document]) -> dict[str, Likelihood]:
    opened = open_bundle(bundle)
    tokenizer = opened.load_tokenizer()
    network = load_gpt2(opened, "cuda" if torch.cuda.is_available() else "cpu")
    by_source: dict[str, Likelihood] = defaultdict(Likelihood)
    for document in tqdm(documents, desc="bits per byte", unit="file", delay=2):
        if document.text:
            by_source[document.source] += score(network, tokenizer, document.text.replace("\r\n", "\n"))
    return by_source


def _share(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _answer_entry(answer: LineAnswer) -> dict[str, object]:
    return {
        "path": answer.task.path,
        "before": answer.task.before[-_CONTEXT_SHOWN:],
        "target": answer.task.target,
        "proposed": answer.proposed,
        "copied": answer.copied,
        "exact": answer.is_exact,
    }
