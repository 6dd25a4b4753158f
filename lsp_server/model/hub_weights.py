"""The network of a folder from the Hub, through transformers: built from config.json, filled from safetensors.

Nothing is fetched, no code of the folder runs, nothing pickled is read, and no weight is left to chance.
"""

from __future__ import annotations

import os
from typing import Any

import torch

from lsp_server.errors import BundleError, EngineError
from lsp_server.model.bundle import CONFIG
from lsp_server.model.hub_folder import HubModel
from lsp_server.model.hub_tokenizer import CHOOSE_ANOTHER

REMEDY = "update transformers, or choose another model"
Network = Any  # Any: transformers' models share no type that says what they return


def load_network(model: HubModel, device: torch.device, dtype: torch.dtype) -> Network:
    """The network, ready to decode (no gradients, no dropout).

    Raises: EngineError without transformers; BundleError when it has no such network, or the weights do not fit it.
    """
    transformers = _transformers()
    try:
        network, report = transformers.AutoModelForCausalLM.from_pretrained(
            model.path,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except Exception as error:  # every architecture raises errors of its own over what it does not find
        reason = " ".join(str(error).split())[:200]
        version = transformers.__version__
        raise BundleError(
            f"{model.path / CONFIG}: transformers {version} cannot load this {model.model_type} ({reason}): {REMEDY}"
        ) from error
    _check_report(model, report)
    return network.to(device).requires_grad_(requires_grad=False).eval()


def _transformers() -> Any:  # Any: a module without types
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read at import: whatever a model asks for, nothing is fetched
    try:
        import transformers
    except ImportError as error:
        raise EngineError(
            f"a model from the Hub needs transformers, and it cannot be loaded ({error}): pip install 'parrotlet[hub]'"
        ) from error
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _check_report(model: HubModel, report: dict[str, Any]) -> None:
    """transformers draws what it does not find at random, with a warning only."""
    for kind in ("missing_keys", "mismatched_keys"):
        names = sorted(str(each) for each in report.get(kind) or ())
        if names:
            number = f"{len(names)} weights, such as {names[0]}"
            raise BundleError(f"{model.path}: {kind.replace('_', ' ')}, {number}, for {CONFIG}: {CHOOSE_ANOTHER}")
