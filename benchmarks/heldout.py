"""The text that judges the embedded model: its recipe's held-out packages, as they are installed here."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from trainer.corpus import Document, read_documents
from trainer.corpus.build import build_corpus
from trainer.recipe import load_recipe

RECIPE = Path("trainer/recipes/embedded-cpu.toml")


def heldout_documents() -> list[Document]:
    """Through the same filters as the corpus; anyone can repeat it."""
    corpus = load_recipe(RECIPE).corpus
    sources = tuple(f"package:{name}" for name in corpus.heldout_sources)
    config = replace(corpus, sources=sources, heldout_sources=(), heldout_share=0.0, min_documents=1)
    with tempfile.TemporaryDirectory() as folder:
        build_corpus(config, Path(folder) / "corpus")
        return list(read_documents(Path(folder) / "corpus", "train"))
