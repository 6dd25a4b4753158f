"""A bundle written in another form, whole or not at all: int8, a transformers folder, or GGUF."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from lsp_server.errors import ExportError
from lsp_server.model import bundle as files
from lsp_server.model.bundle import Bundle, open_bundle, seal_bundle
from lsp_server.model.tokenizer import END_OF_TEXT, SENTINELS
from lsp_server.model.weights import load_gpt2, save_gpt2
from trainer.conversion.arrays import read_checkpoint
from trainer.conversion.cards import card_of_full, card_of_int8
from trainer.folders import whole_file, whole_folder

GGUF_KINDS = ("f32", "f16", "q8_0")
DTYPES = {"f32": torch.float32, "f16": torch.float16}
"""Number formats of a folder for transformers."""


def to_int8(source: Path, out: Path, *, loss: float | None = None) -> Bundle:
    """A bundle with int8 weights, on whose card `loss` stands: the share of bits per byte that they cost.

    Raises: BundleError when the source cannot be used; ExportError when it is int8 already.
    """
    bundle = open_unquantised(source)
    _check_place(bundle, out)
    with whole_folder(out) as folder:
        _copy(bundle, folder, [files.TOKENIZER, files.TOKENIZER_CONFIG, files.DRAFTS])
        network, end_of_text = load_gpt2(bundle), bundle.config["eos_token_id"]
        save_gpt2(network, folder, end_of_text=end_of_text, dtype=torch.float16, int8=True)
        card = (bundle.path / files.MODEL_CARD).read_text(encoding="utf-8")
        (folder / files.MODEL_CARD).write_text(card_of_int8(card, loss), encoding="utf-8")
        made_from = {"made_from": bundle.fingerprint, **({} if loss is None else {"bits_per_byte_loss": loss})}
        provenance = {**bundle.provenance, "int8": made_from}
        seal_bundle(folder, layout=bundle.layout, sentinels=bundle.sentinels, provenance=provenance)
    return open_bundle(out)


def open_unquantised(source: Path) -> Bundle:
    """A bundle that int8 can still be made from. Raises: BundleError; ExportError when it is int8 already."""
    bundle = open_bundle(source)
    if bundle.is_int8:
        raise ExportError(f"{source} is in int8 already: give the bundle that it was made from")
    return bundle


def to_transformers(source: Path, out: Path, kind: str | None = None) -> Path:
    """A folder for AutoModelForCausalLM and AutoTokenizer: no file of ours in it, the sentinels named as special.

    Its number format is the bundle's own unless `kind` names one; fp16 rounds the dequantised weights of an int8 bundle
    once more, a hundred times finer than int8 did.
    Raises: BundleError when the source cannot be used.
    """
    bundle = open_bundle(source)
    _check_place(bundle, out)
    with whole_folder(out) as folder:
        own = str(bundle.config.get("dtype", "float32"))
        dtype = DTYPES[kind] if kind else getattr(torch, own)
        save_gpt2(load_gpt2(bundle), folder, end_of_text=bundle.config["eos_token_id"], dtype=dtype)
        _copy(bundle, folder, [files.TOKENIZER])
        card = (bundle.path / files.MODEL_CARD).read_text(encoding="utf-8")
        (folder / files.MODEL_CARD).write_text(card_of_full(card, str(dtype).removeprefix("torch.")), encoding="utf-8")
        settings = json.loads((bundle.path / files.TOKENIZER_CONFIG).read_text(encoding="utf-8"))
        others = [token for token in SENTINELS if token != END_OF_TEXT]
        _write_json(folder / files.TOKENIZER_CONFIG, {**settings, "additional_special_tokens": others})
        special = {"bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT, "unk_token": END_OF_TEXT}
        _write_json(folder / "special_tokens_map.json", {**special, "additional_special_tokens": others})
    return out


def to_gguf(source: Path, out: Path, kind: str) -> Path:
    """A GGUF file. Raises: BundleError; ExportError when its package is missing or a folder stands in its place."""
    bundle = open_bundle(source)
    try:
        from trainer.conversion.gguf_file import write_gguf
    except ImportError as error:
        raise ExportError(f"GGUF needs a package that is not here ({error}): pip install 'parrotlet[train]'") from error
    if out.is_dir():
        raise ExportError(f"{out} is a folder: name the file with --out, such as {out / f'model-{kind}.gguf'}")
    name = str(bundle.provenance.get("run", "parrotlet"))
    with whole_file(out) as partial:
        write_gguf(read_checkpoint(bundle.path), partial, kind, name)
    return out


def _check_place(bundle: Bundle, out: Path) -> None:
    """Only what an export wrote is replaced. Raises: ExportError."""
    if out.resolve() == bundle.path:
        raise ExportError(f"{out} is the bundle itself: choose another folder with --out")
    if out.exists() and not (out.is_dir() and (not any(out.iterdir()) or (out / files.CONFIG).is_file())):
        raise ExportError(f"{out} exists and is no model folder: choose another with --out")


def _copy(bundle: Bundle, folder: Path, names: Sequence[str]) -> None:
    for name in names:
        if (bundle.path / name).is_file():
            shutil.copyfile(bundle.path / name, folder / name)


def _write_json(path: Path, values: dict[str, Any]) -> None:  # Any: JSON
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
