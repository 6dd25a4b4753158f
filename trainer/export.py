"""From a run's last checkpoint to the bundle that `parrotlet` serves. Trains and judges nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from lsp_server.errors import CheckpointError
from lsp_server.model.bundle import MANIFEST, open_bundle
from lsp_server.model.gpt2 import GPT2
from lsp_server.model.ngrams import NgramTable
from lsp_server.model.prompt import PromptLayout
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.model.weights import write_bundle
from trainer.config import Recipe
from trainer.fit.checkpoint import read_progress, weights_to_export
from trainer.folders import whole_folder
from trainer.network import network_config
from trainer.ngrams import count_ngrams
from trainer.packing import TokenStream, read_index
from trainer.tuning.pretrained import location
from trainer.tuning.settings import PROVENANCE

DTYPE = torch.float16
"""Half the bytes of fp32, three more bits of precision than bf16; GPT-2's weights are far inside its range."""


def export(recipe: Recipe, run_dir: Path) -> Path:
    """Write RUN/bundle, whole or not at all: our bundle, or a transformers folder of a family that is not ours.

    Raises: CheckpointError when there is no checkpoint, or it does not hold the recipe's network.
    """
    tokenizer = CodeTokenizer.load(run_dir / "tokenizer" / "tokenizer.json")
    with whole_folder(run_dir / "bundle") as folder:
        _write(recipe, run_dir, tokenizer, folder)
    return run_dir / "bundle"


def _write(recipe: Recipe, run_dir: Path, tokenizer: CodeTokenizer, folder: Path) -> None:
    state = _weights(recipe, run_dir)
    if recipe.model.pretrained:
        from trainer.tuning.network import merged_model
        from trainer.tuning.pretrained import own_dtype
        from trainer.tuning.result import as_gpt2, save_folder

        model = merged_model(recipe, state)
        network = as_gpt2(model)
        if network is None:
            save_folder(model.to(own_dtype(recipe.model)), tokenizer, run_dir / "tokenizer" / "tokenizer.json", folder)
            made_from = {**_provenance(recipe, run_dir), "parameters": model.num_parameters()}
            (folder / PROVENANCE).write_text(json.dumps(made_from, indent=2) + "\n", encoding="utf-8")
            return
    else:
        network = _own_network(recipe, tokenizer.vocab_size, state)
    write_bundle(
        folder,
        network=network,
        tokenizer=tokenizer,
        layout=_layout(recipe),
        provenance=_provenance(recipe, run_dir),
        dtype=DTYPE,
        drafts=_drafts(run_dir, tokenizer),
    )


def _layout(recipe: Recipe) -> PromptLayout:
    return PromptLayout(
        context_tokens=recipe.model.context_tokens,
        new_tokens=recipe.prompt.new_tokens,
        suffix_tokens=recipe.prompt.suffix_tokens,
        neighbour_tokens=recipe.prompt.neighbour_tokens,
    )


def _drafts(run_dir: Path, tokenizer: CodeTokenizer) -> NgramTable:
    stream = TokenStream.open(run_dir / "packed", "train")
    return count_ngrams(stream, tokenizer.vocab_size, frozenset(tokenizer.sentinel_ids.values()))


def _own_network(recipe: Recipe, vocab_size: int, state: dict[str, torch.Tensor]) -> GPT2:
    network = GPT2(network_config(recipe, vocab_size))
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"the checkpoint does not hold the recipe's network ({reason}): put the recipe back"
        ) from error
    return network


def _weights(recipe: Recipe, run_dir: Path) -> dict[str, torch.Tensor]:
    checkpoint, weights = weights_to_export(run_dir / "checkpoints", recipe.fit)
    try:
        return load_file(weights)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{weights} cannot be read ({error}): delete {checkpoint}, and run fit again") from error


def _tokens_before(base: Path) -> int:
    """What a model had seen before it was tuned, where it is one of ours; else 0."""
    if not (base / MANIFEST).is_file():
        return 0
    seen = open_bundle(base).provenance
    return int(seen.get("tokens_seen", 0)) + int(seen.get("tokens_before", 0))


def _provenance(recipe: Recipe, run_dir: Path) -> dict[str, Any]:  # Any: JSON
    """Where the weights that the recipe exports come from."""
    checkpoint, _ = weights_to_export(run_dir / "checkpoints", recipe.fit)
    progress, _ = read_progress(checkpoint)
    origin: dict[str, Any] = {
        "run": recipe.run,
        "corpus_hash": read_index(run_dir / "packed")["corpus_hash"],
        "steps": progress.step,
        "tokens_seen": progress.tokens,
        "training_seconds": round(progress.seconds),
        "machine": progress.machine,
        "kilowatt_hours": round(progress.watts * progress.seconds / 3.6e6, 3),
    }
    if recipe.model.pretrained:
        base = Path(recipe.model.pretrained)
        origin["pretrained"] = base.name if base.is_dir() else recipe.model.pretrained  # no paths in a bundle
        origin["tuning"] = recipe.tuning.method
        origin["tokens_before"] = _tokens_before(Path(location(recipe.model)))
    return origin
