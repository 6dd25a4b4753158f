"""Chooses the back end for a model, a device and a processor, and says why. Knows nothing of requests."""

from __future__ import annotations

import logging
from typing import Any

import torch

from lsp_server.engine import device as devices
from lsp_server.engine.backend import Backend
from lsp_server.engine.choice import BACKENDS
from lsp_server.engine.hub_backend import open_hub_backend
from lsp_server.engine.int8_linear import quantise
from lsp_server.engine.native_backend import NativeBackend
from lsp_server.engine.torch_backend import TorchBackend
from lsp_server.errors import EngineError, SettingsError
from lsp_server.model.bundle import Bundle
from lsp_server.model.gpt2 import GPT2
from lsp_server.model.hub_folder import HubModel
from lsp_server.model.weights import load_gpt2

logger = logging.getLogger(__name__)

AnyBackend = Backend[Any]  # Any: each has a cache of its own kind


def open_backend(model: Bundle | HubModel, device_name: str, num_threads: int | None, name: str = "auto") -> AnyBackend:
    """The back end of that name; `auto` is the fastest that runs here.

    Raises: SettingsError for a name or device that does not exist here; EngineError for a back end that does not run.
    """
    if name not in BACKENDS:
        raise SettingsError(f"backend is {name!r}: choose one of {', '.join(BACKENDS)}")
    device = devices.choose_device(device_name)
    if device.type != "cpu" and name in ("native", "int8"):
        raise SettingsError(f"backend {name} runs on a CPU, and the device is {device}: choose auto, or --device cpu")
    if isinstance(model, HubModel) and name in ("native", "int8"):
        raise SettingsError(
            f"backend {name} runs models of Parrotlet's own, and {model.path} is from the Hub: choose auto"
        )
    threads = num_threads or devices.default_num_threads()
    torch.set_num_threads(threads)
    if isinstance(model, HubModel):
        return open_hub_backend(model, device)
    network = load_gpt2(model, device, devices.compute_dtype(device))
    if device.type != "cpu":
        return TorchBackend(network, f"torch {_format(network)}")
    return _on_cpu(network, name, threads)


def _on_cpu(network: GPT2, name: str, num_threads: int) -> AnyBackend:
    if name == "full":
        return TorchBackend(network, f"torch {_format(network)}")
    if name in ("auto", "native"):
        try:
            return NativeBackend(network, num_threads)
        except EngineError as error:
            if name == "native":
                raise
            logger.info("no native back end: %s", error)
    if not has_int8_products():
        if name == "int8":
            raise SettingsError("backend int8 needs a processor with VNNI instructions: choose auto, native or full")
        logger.info("no int8 back end: torch has no exact int8 products here")
        return TorchBackend(network, f"torch {_format(network)}")
    head = quantise(network)
    return TorchBackend(network, "torch int8", head)


def has_int8_products() -> bool:
    """Whether torch multiplies int8 in full range here.

    Without VNNI its sums are cut off at 16 bits: an error of up to a tenth of a product, and 1.5 % more bits per byte.
    """
    return str(torch.backends.quantized.engine) != "none" and bool(torch.cpu._is_vnni_supported())


def _format(network: GPT2) -> str:
    return str(network.wte.weight.dtype).removeprefix("torch.")
