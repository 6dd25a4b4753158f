"""`make bench-model`: the embedded model on packages it never saw, beside xz and in-file copying on the same text.

The text is the held-out packages of the embedded model's recipe, as they are installed here: anyone can repeat it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.heldout import RECIPE, heldout_documents
from benchmarks.report import Figure, publish
from lsp_server.model.bundle import EMBEDDED, open_bundle
from trainer.config import EvaluateConfig
from trainer.evaluate import Figures, evaluate_model
from trainer.evaluate.completion import KindFigures
from trainer.evaluate.figures import draw_documents
from trainer.recipe import load_recipe

BITS_PER_BYTE_TARGET = 1.6
"""The first embedded model's aim; xz stands near 2.4."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=EMBEDDED, help="a bundle (default: the embedded model)")
    parser.add_argument("--max-bytes", type=int, default=1_000_000, help="of held-out text to score")
    parser.add_argument("--tasks", type=int, default=400, help="completions of each kind to try")
    options = parser.parse_args(arguments)
    config = EvaluateConfig(max_bytes=options.max_bytes, tasks=options.tasks)
    recipe = load_recipe(RECIPE)
    figures, _ = evaluate_model(
        options.model, draw_documents(heldout_documents(), config.max_bytes), config, recipe.seed
    )
    notes = {"provenance": dict(open_bundle(options.model).provenance), **asdict(figures)}
    publish("model", _lines(figures), notes)


def _lines(figures: Figures) -> list[Figure]:
    return [
        Figure(
            name="bits per byte, held-out packages",
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


if __name__ == "__main__":
    main()
