"""One variant, from the shared corpus and vocabulary to figures, by the usual stages. Owns RUN/variants/NAME."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainer.ablation.variants import Variant
from trainer.config import CorpusConfig, Recipe, digest
from trainer.corpus import Document, read_documents, read_manifest
from trainer.evaluate import Figures, evaluate_model, write_figures
from trainer.evaluate.completion import MODEL
from trainer.evaluate.figures import draw_documents
from trainer.evaluate.metrics import Mean
from trainer.fit.checkpoint import read_progress, weights_to_export
from trainer.folders import share_folder, write_whole
from trainer.packing import read_index
from trainer.stages import STAGES, run_chain

RESULT = "result.json"
_OWN_STAGES = ("pack", "fit", "export")

Say = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingText:
    """What every variant is judged on."""

    documents: list[Document]
    config: CorpusConfig
    """Of the corpus that it was held out of, and which most variants are trained on."""
    corpus_hash: str
    vocabulary: str
    """The shared tokenizer.json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantResult:
    """One row of the table."""

    name: str
    changes: tuple[str, ...]
    train_tokens: int
    """Of its corpus."""
    tokens_seen: int
    seconds: float
    """Of training."""
    bits_per_byte: float
    next_token_accuracy: float
    exact: dict[str, Mean]
    """By kind of task, the share that was answered exactly."""

    @property
    def epochs(self) -> float:
        return self.tokens_seen / self.train_tokens


def judging_text(recipe: Recipe, run_dir: Path) -> JudgingText:
    """The text that the unchanged corpus holds out. Raises: CorpusError when it holds out none."""
    return JudgingText(
        documents=draw_documents(read_documents(run_dir / "corpus", "heldout"), recipe.evaluate.max_bytes),
        config=recipe.corpus,
        corpus_hash=read_manifest(run_dir / "corpus").corpus_hash,
        vocabulary=(run_dir / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8"),
    )


def try_variant(
    variant: Variant, recipe: Recipe, run_dir: Path, text: JudgingText, say: Say
) -> tuple[VariantResult, bool]:
    """Train and judge one variant, unless that is done already from the same inputs; also says whether it was.

    Raises: what the stages raise; the variant's last checkpoint is kept then.
    """
    folder = run_dir / "variants" / variant.name
    inputs = digest(recipe, text.corpus_hash, text.vocabulary)
    known = _read(folder / RESULT, inputs)
    if known is not None:
        return known, True
    if recipe.corpus == text.config:
        share_folder(run_dir / "corpus", folder / "corpus")
    else:
        run_chain(recipe, folder, _within(variant, say), tuple(stage for stage in STAGES if stage.name == "corpus"))
    share_folder(run_dir / "tokenizer", folder / "tokenizer")
    run_chain(recipe, folder, _within(variant, say), tuple(stage for stage in STAGES if stage.name in _OWN_STAGES))
    figures, answers = evaluate_model(folder / "bundle", text.documents, recipe.evaluate, recipe.seed)
    write_figures(folder / "evaluation", figures, answers)
    result = _result(variant, recipe, folder, figures)
    write_whole(folder / RESULT, json.dumps({"inputs": inputs, "result": asdict(result)}, indent=2) + "\n")
    return result, False


def _within(variant: Variant, say: Say) -> Say:
    return lambda stage, summary: say(f"{variant.name}, {stage}", summary)


def _result(variant: Variant, recipe: Recipe, folder: Path, figures: Figures) -> VariantResult:
    checkpoint, _ = weights_to_export(folder / "checkpoints", recipe.fit)
    progress, _ = read_progress(checkpoint)
    return VariantResult(
        name=variant.name,
        changes=variant.changes,
        train_tokens=int(read_index(folder / "packed")["splits"]["train"]["tokens"]),
        tokens_seen=progress.tokens,
        seconds=round(progress.seconds, 1),
        bits_per_byte=figures.bits_per_byte,
        next_token_accuracy=figures.next_token_accuracy,
        exact={kind: entry.by_way[MODEL].exact for kind, entry in figures.completion.items()},
    )


def _read(path: Path, inputs: str) -> VariantResult | None:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return _from_json(known["result"]) if known["inputs"] == inputs else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _from_json(values: dict[str, Any]) -> VariantResult:  # Any: JSON
    exact = {kind: Mean(**mean) for kind, mean in values["exact"].items()}
    return VariantResult(**{**values, "changes": tuple(values["changes"]), "exact": exact})
