"""Which kind of model a folder holds, decided in this one place: with `parrotlet.json` a bundle of ours, otherwise one
from the Hub. Both offer `path`, `title`, `prompts`, `load_tokenizer`, `drafts_path` and `weights_bytes`."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lsp_server.model.bundle import EMBEDDED, MANIFEST, TOKENIZER, Bundle, open_bundle
from lsp_server.model.hub_folder import HubModel, open_hub_model


def open_model(path: Path | None = None) -> Bundle | HubModel:
    """Open a model folder, read no weights; None is the embedded model.

    Raises: BundleError naming the file and the remedy.
    """
    folder = (EMBEDDED if path is None else path).expanduser().resolve()
    if (folder / MANIFEST).exists() or not folder.is_dir():
        return open_bundle(folder)
    return open_hub_model(folder)


def prompt_format(model: Bundle | HubModel) -> str:
    """The same for models that read the same ids in the same layout: one may answer what the other was asked."""
    state = hashlib.sha256((model.path / TOKENIZER).read_bytes())
    state.update(repr(model.prompts).encode())
    return state.hexdigest()[:16]


def content_hash(folder: Path) -> str:
    """Differs when the folder's model does; empty for a folder that cannot be read.

    A Hub folder lists no hashes and has gigabytes of weights: names, sizes and dates stand for its files.
    """
    try:
        manifest = folder / MANIFEST
        if manifest.exists():
            return hashlib.sha256(manifest.read_bytes()).hexdigest()
        files = sorted((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in folder.iterdir())
    except OSError:
        return ""
    return hashlib.sha256(repr(files).encode()).hexdigest()
