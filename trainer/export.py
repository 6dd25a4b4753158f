"""From a run's last checkpoint to the bundle that `parrotlet` serves. Trains and judges nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from lsp_server.errors import CheckpointError
from lsp_server.model.gpt2 import GPT2
from lsp_server.model.ngrams import NgramTable
from lsp_server.model.prompt import PromptLayout
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.model.weights import write_bundle
from trainer.checkpoint import read_progress, weights_to_export
from trainer.config import Recipe
from trainer.network import network_config
from trainer.ngrams import count_ngrams
from trainer.packing import TokenStream, read_index

DTYPE = torch.float16
"""Half the bytes of fp32, three more bits of precision than bf16; GPT-2's weights are far inside its range."""


def export(recipe: Recipe, run_dir: Path) -> Path:
    """Write RUN/bundle, whole or not at all.

    Raises: CheckpointError when there is no checkpoint, or it does not hold the recipe's network.
    """
    tokenizer = CodeTokenizer.load(run_dir / "tokenizer" / "tokenizer.json")
    network, provenance = _trained(recipe, run_dir, tokenizer.vocab_size)
    layout = PromptLayout(
        context_tokens=recipe.model.context_tokens,
        new_tokens=recipe.prompt.new_tokens,
        suffix_tokens=recipe.prompt.suffix_tokens,
        neighbour_tokens=recipe.prompt.neighbour_tokens,
    )
    partial = run_dir / "bundle.partial"
    shutil.rmtree(partial, ignore_errors=True)
    write_bundle(
        partial,
        network=network,
        tokenizer=tokenizer,
        layout=layout,
        provenance=provenance,
        dtype=DTYPE,
        drafts=_drafts(run_dir, tokenizer),
    )
    shutil.rmtree(run_dir / "bundle", ignore_errors=True)
    return partial.rename(run_dir / "bundle")


def _drafts(run_dir: Path, tokenizer: CodeTokenizer) -> NgramTable:
    stream = TokenStream.open(run_dir / "packed", "train")
    return count_ngrams(stream, tokenizer.vocab_size, frozenset(tokenizer.sentinel_ids.values()))


def _trained(recipe: Recipe, run_dir: Path, vocab_size: int) -> tuple[GPT2, dict[str, Any]]:
    checkpoint, weights = weights_to_export(run_dir / "checkpoints", recipe.fit)
    progress, _ = read_progress(checkpoint)
    network = GPT2(network_config(recipe, vocab_size))
    try:
        network.load_state_dict(load_file(weights))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{checkpoint} does not hold the recipe's network ({reason}): put the recipe back"
        ) from error
    provenance = {
        "run": recipe.run,
        "corpus_hash": read_index(run_dir / "packed")["corpus_hash"],
        "steps": progress.step,
        "tokens_seen": progress.tokens,
        "training_seconds": round(progress.seconds),
    }
    return network, provenance
