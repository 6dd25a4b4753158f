"""Chooses the back end for a model, a device and a processor, and says why. Knows nothing of requests."""

from __future__ import annotations

import logging
from typing import Any

import torch

from lsp_server.engine import device as devices
from lsp_server.engine import int8_linear
from lsp_server.engine.backend import Backend
from lsp_server.engine.choice import BACKENDS
from lsp_server.engine.cuda_graphs import CudaGraphs
from lsp_server.engine.hub_backend import open_hub_backend
from lsp_server.engine.native_backend import NativeBackend
from lsp_server.engine.static_backend import StaticBackend
from lsp_server.engine.static_pool import row_bytes
from lsp_server.engine.torch_backend import TorchBackend
from lsp_server.errors import EngineError, SettingsError
from lsp_server.model.bundle import Bundle
from lsp_server.model.gpt2 import GPT2
from lsp_server.model.hub_folder import HubModel
from lsp_server.model.weights import load_gpt2

logger = logging.getLogger(__name__)

MAX_POOL_BYTES = 2**30
"""Keys and values on a GPU: 64 sequences of an 8 x 512 model with 1,024 positions in bf16, half of them documents'."""
POOL_SHARE = 0.25
"""Of the GPU's free memory: the user has other programs."""
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
    if device.type != "cuda" and name == "graphs":
        raise SettingsError(f"backend graphs runs on CUDA, and the device is {device}: choose auto, or --device cuda")
    if isinstance(model, HubModel) and name in ("native", "int8", "graphs"):
        raise SettingsError(
            f"backend {name} runs models of Parrotlet's own, and {model.path} is from the Hub: choose auto"
        )
    threads = num_threads or devices.default_num_threads()
    torch.set_num_threads(threads)
    if isinstance(model, HubModel):
        return open_hub_backend(model, device)
    network = load_gpt2(model, device, devices.compute_dtype(device))
    if device.type == "cpu":
        return _on_cpu(network, name, threads)
    if device.type == "cuda" and name != "full":
        return _on_cuda(network, name)
    return TorchBackend(network, f"torch {_format(network)}")


def _on_cuda(network: GPT2, name: str) -> AnyBackend:
    weight = network.wte.weight
    num_rows = pool_rows(torch.cuda.mem_get_info(weight.device)[0], row_bytes(network.config, weight))
    try:
        backend = StaticBackend(network, f"torch {_format(network)}, CUDA graphs", num_rows, CudaGraphs(weight.device))
    except EngineError as error:
        if name == "graphs":
            raise
        logger.info("no CUDA graphs: %s", error)
        return TorchBackend(network, f"torch {_format(network)}")
    backend.prepare()
    return backend


def pool_rows(free_bytes: int, bytes_per_row: int) -> int:
    """How many sequences a GPU with so much free memory is asked to hold."""
    return int(min(MAX_POOL_BYTES, free_bytes * POOL_SHARE) // bytes_per_row)


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
    if not int8_linear.is_available():
        if name == "int8":
            raise SettingsError("backend int8 needs a torch that multiplies int8: choose auto, native or full")
        logger.info("no int8 back end: this torch does not multiply int8")
        return TorchBackend(network, f"torch {_format(network)}")
    head = int8_linear.quantise(network)
    return TorchBackend(network, "torch int8", head)


def _format(network: GPT2) -> str:
    return str(network.wte.weight.dtype).removeprefix("torch.")
