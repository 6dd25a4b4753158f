"""The model card: what a bundle was made from, how, and what it is worth, from a run's files. Measures nothing."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from string import Template
from typing import Any

from lsp_server.model.bundle import MODEL_CARD, Bundle, open_bundle, seal_bundle
from trainer.arithmetic import gpt2_parameters
from trainer.config import Recipe
from trainer.corpus import CorpusManifest, read_manifest
from trainer.evaluate import Figures, read_figures
from trainer.evaluate.code.pass_at_k import CodeFigures
from trainer.evaluate.code.results import read_results
from trainer.evaluate.completion import KindFigures
from trainer.evaluate.metrics import Mean
from trainer.folders import whole_folder

_TEMPLATE = Path(__file__).parent / "card_template.md"


def write_card(recipe: Recipe, run_dir: Path) -> Path:
    """Write the card and the held-out figures into RUN/bundle, and seal it again; returns the card."""
    bundle = open_bundle(run_dir / "bundle")
    manifest, figures = read_manifest(run_dir / "corpus"), read_figures(run_dir)
    code = read_results(run_dir / "evaluation")
    values = {
        **_model_values(recipe, bundle),
        **_figure_values(figures, code),
        **_training_values(recipe, bundle),
        **_data_values(recipe, manifest),
    }
    text = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(values)
    provenance = {**bundle.provenance, "heldout": asdict(figures)}
    if code:
        provenance["code"] = {name: asdict(entry) for name, entry in code.items()}
    with whole_folder(bundle.path) as folder:
        shutil.copytree(bundle.path, folder, dirs_exist_ok=True)
        (folder / MODEL_CARD).write_text(text, encoding="utf-8")
        seal_bundle(folder, layout=bundle.layout, sentinels=bundle.sentinels, provenance=provenance)
    return bundle.path / MODEL_CARD


def _model_values(recipe: Recipe, bundle: Bundle) -> dict[str, object]:
    config = bundle.config
    return {
        "run": recipe.run,
        "layers": config["n_layer"],
        "width": config["n_embd"],
        "heads": config["n_head"],
        "vocabulary": f"{config['vocab_size']:,}",
        "window": config["n_positions"],
        "parameters": f"{_num_parameters(config) / 1e6:.1f}",
        "dtype": config["dtype"],
        "suffix_tokens": bundle.layout.suffix_tokens,
        "prefix_tokens": bundle.layout.prefix_tokens,
        "new_tokens": bundle.layout.new_tokens,
    }


def _num_parameters(config: Mapping[str, Any]) -> int:  # Any: JSON
    return gpt2_parameters(
        num_layers=config["n_layer"],
        width=config["n_embd"],
        vocab_size=config["vocab_size"],
        context_tokens=config["n_positions"],
    )


def _figure_values(figures: Figures, code: Mapping[str, CodeFigures]) -> dict[str, object]:
    return {
        "heldout_files": figures.num_documents,
        "heldout_mb": f"{figures.num_bytes / 1e6:.1f}",
        "bits_per_byte": f"{figures.bits_per_byte:.3f}",
        "xz_bits_per_byte": f"{figures.xz_bits_per_byte:.3f}",
        "accuracy": f"{figures.next_token_accuracy:.1%}",
        "completion": "\n".join(_completion_row(kind, entry) for kind, entry in figures.completion.items()),
        "bits_by_source": ", ".join(f"{name} {value:.2f}" for name, value in figures.bits_per_byte_by_source.items()),
        "code": _code_table(code),
    }


def _completion_row(kind: str, entry: KindFigures) -> str:
    model, copied, ngram = (entry.by_way[way] for way in ("model", "copy", "6-gram"))
    return (
        f"| {kind} ({entry.num_tasks} tasks) | {_percent(model.exact)} | {model.edit_similarity.value:.1%} "
        f"| {model.kept.value:.1%} | {model.parses.value:.1%} "
        f"| {copied.exact.value:.1%} / {copied.edit_similarity.value:.1%} "
        f"| {ngram.exact.value:.1%} / {ngram.edit_similarity.value:.1%} |"
    )


def _code_table(code: Mapping[str, CodeFigures]) -> str:
    """pass@k, where benchmarks have been run; otherwise nothing."""
    if not code:
        return ""
    rows = [
        f"| {group} ({entry.num_problems:,} problems) | "
        + ", ".join(f"pass@{k} {_percent(mean)}" for k, mean in entry.pass_at.items())
        + f" | {entry.num_samples} at temperature {entry.temperature:g} |"
        for group, entry in code.items()
    ]
    return "\n".join(["", "| benchmark | result | samples |", "|---|---|---|", *rows, ""])


def _percent(mean: Mean) -> str:
    return f"{mean.value:.1%} ± {mean.error:.1%}"


def _training_values(recipe: Recipe, bundle: Bundle) -> dict[str, object]:
    fit, provenance = recipe.fit, bundle.provenance
    return {
        "tokens_seen": f"{provenance['tokens_seen'] / 1e6:.1f}",
        "steps": f"{provenance['steps']:,}",
        "rows": fit.batch_rows * fit.accumulate,
        "row_tokens": fit.row_tokens,
        "minutes": f"{provenance['training_seconds'] / 60:.0f}",
        "optimizer": {"adamw": "AdamW", "muon": "Muon and AdamW"}[fit.optimizer],
        "learning_rate": f"{fit.learning_rate:g}",
        "schedule": fit.schedule,
        "seed": recipe.seed,
        "fim_rate": f"{fit.fim_rate:.0%}",
        "spm_share": f"{fit.spm_share:.0%}",
    }


def _data_values(recipe: Recipe, manifest: CorpusManifest) -> dict[str, object]:
    permissive = recipe.corpus.licences == "permissive"  # weights made from one's own code carry no licence of ours
    return {
        "license_line": "license: apache-2.0\n" if permissive else "",
        "train_files": f"{manifest.num_documents('train'):,}",
        "train_mb": f"{manifest.num_bytes('train') / 1e6:.1f}",
        "corpus_hash": manifest.corpus_hash,
        "trained_on": _table([each for each in manifest.sources if not each["heldout"]]),
        "held_out": _table([each for each in manifest.sources if each["heldout"]]),
    }


def _table(sources: list[dict[str, Any]]) -> str:  # Any: JSON
    used = sorted((each for each in sources if each["num_documents"]), key=lambda each: -int(each["num_bytes"]))
    if not used:
        return "A share of the files of the sources above, chosen by their hashes."
    rows = [
        f"| {each['name']} | {each['version']} | {each['licence']} "
        f"| {each['num_documents']:,} | {each['num_bytes']:,} |"
        for each in used
    ]
    return "\n".join(["| source | version | licence | files | bytes |", "|---|---|---|---|---|", *rows])
