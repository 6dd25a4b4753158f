"""`parrotlet-train interpolate`: a model between a base model and what tuning made of it. Trains nothing.

Source: WiSE-FT, arXiv 2109.01903.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsp_server.errors import CheckpointError, RecipeError
from lsp_server.model.embedded import named_model
from trainer.folders import whole_folder
from trainer.limits import require

if TYPE_CHECKING:
    from lsp_server.model.ngrams import NgramTable


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser("interpolate", parents=[common], help="mix a tuned model with the model it came from")
    parser.add_argument("--base", type=named_model, required=True, metavar="DIR", help="the model that was tuned")
    parser.add_argument("--tuned", type=named_model, required=True, metavar="DIR", help="what tuning made of it")
    parser.add_argument(
        "--share", type=float, default=0.8, metavar="N", help="of the tuned weights, 0 to 1 (%(default)s)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the new model's folder")
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> None:
    require("--share", options.share, 0.0, 1.0)
    interpolate_folders(options.base, options.tuned, options.share, options.out)
    sys.stdout.write(f"interpolate: {options.share:g} of {options.tuned}, the rest of {options.base}; {options.out}\n")


def interpolate_folders(base: Path, tuned: Path, share: float, out: Path) -> None:
    """Write `out` in the form that `tuned` has: our bundle, or a transformers folder.

    Raises: RecipeError when `out` is there already; CheckpointError when the two are of different shapes.
    """
    from trainer.config import ModelConfig
    from trainer.tuning.network import interpolate
    from trainer.tuning.pretrained import load_network, own_dtype

    if out.exists():
        raise RecipeError(f"--out {out} is there already: choose a new folder")
    for folder in (base, tuned):
        if not folder.is_dir():
            raise RecipeError(f"{folder} is no folder: give the folder of a model")
    model, other = (load_network(ModelConfig(pretrained=str(folder), context_tokens=16), 0) for folder in (tuned, base))
    try:
        interpolate(model, other, share)
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{base} and {tuned} have different shapes ({error}): give a model and its base"
        ) from error
    try:
        with whole_folder(out) as folder:
            _write(model.to(own_dtype(ModelConfig(pretrained=str(tuned), context_tokens=16))), tuned, folder, share)
    except OSError as error:
        raise CheckpointError(f"{out} cannot be written ({error}): free disk space, then try again") from error


def _write(model: Any, tuned: Path, folder: Path, share: float) -> None:  # Any: transformers' model
    from lsp_server.model.bundle import MANIFEST, open_bundle

    if not (tuned / MANIFEST).is_file():
        shutil.copytree(tuned, folder, dirs_exist_ok=True)
        model.save_pretrained(folder)
        return
    from lsp_server.model.weights import write_bundle
    from trainer.conversion.cards import card_of_full
    from trainer.tuning.result import as_gpt2

    bundle, network = open_bundle(tuned), as_gpt2(model)
    assert network is not None, "a bundle is a GPT-2 of our kind"
    dtype = network.wte.weight.dtype
    write_bundle(
        folder,
        network=network,
        tokenizer=bundle.load_tokenizer(),
        layout=bundle.layout,
        card=card_of_full((tuned / "README.md").read_text(encoding="utf-8"), str(dtype).removeprefix("torch.")),
        provenance={**_without_int8(bundle.provenance), "interpolation": share},
        dtype=dtype,
        drafts=_drafts(bundle.drafts_path, bundle.config["vocab_size"]),
    )


def _without_int8(provenance: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON
    """What is mixed is written in full."""
    return {key: value for key, value in provenance.items() if key != "int8"}


def _drafts(path: Path | None, vocab_size: int) -> NgramTable | None:
    from lsp_server.model.ngrams import NgramTable

    return NgramTable.load(path, vocab_size) if path is not None else None
