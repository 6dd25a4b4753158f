"""Which device and number format the model runs in. Knows nothing of the model."""

from __future__ import annotations

import contextlib
import gc
import os
import re

import torch
from torch import Tensor

from lsp_server.errors import SettingsError

DEVICE_NAME = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
FAILURE = re.compile(r"\b(CUDA|CUBLAS|cuBLAS|CUDNN|cuDNN|HIP error|MPS backend)")
"""In the message of a RuntimeError that a device caused; libraries behind torch have no class of error of their own."""


def choose_device(name: str) -> torch.device:
    """The device of that name; `auto` is CUDA, then MPS, then CPU.

    Raises: SettingsError when there is no such device here.
    """
    if not DEVICE_NAME.fullmatch(name):
        raise SettingsError(f"device is {name!r}: choose auto, cpu, cuda, cuda:0 or mps")
    if name == "auto":
        return torch.device(_best_available())
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SettingsError(f"device is {name}, but PyTorch sees {torch.cuda.device_count()} CUDA devices: use auto")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise SettingsError("device is mps, but PyTorch sees no Apple GPU here: use auto or cpu")
    return device


def _best_available() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def compute_dtype(device: torch.device) -> torch.dtype:
    """bf16 on GPUs that have it, fp16 on others, fp32 on CPU."""
    if device.type == "cpu":
        return torch.float32
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0):
        return torch.bfloat16
    return torch.float16


def is_failure(error: BaseException) -> bool:
    """Whether a device ran out of memory, broke or went away; a defect of ours or a full main memory is neither."""
    if isinstance(error, (torch.OutOfMemoryError, torch.AcceleratorError)):
        return True
    return isinstance(error, RuntimeError) and FAILURE.search(str(error)) is not None


def what_happened(error: BaseException) -> str:
    """A failure in a few words, for a user."""
    reason = " ".join(str(error).split())[:200]
    is_full = isinstance(error, torch.OutOfMemoryError) or "out of memory" in reason
    return "ran out of memory" if is_full else f"failed ({reason})"


def release_memory() -> None:
    """Give other programs the GPU memory that nothing here refers to any more; a GPU that is gone has none."""
    gc.collect()  # tracebacks of the requests that failed refer to their caches in cycles
    with contextlib.suppress(RuntimeError):
        torch.cuda.empty_cache()


def pinned(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor in memory that a CUDA device reads by itself: only from there does a copy not wait for the device."""
    return tensor.pin_memory() if device.type == "cuda" else tensor


def wait_for(device: torch.device) -> None:
    """Until the device has done all that it was given; for measurements, never while decoding."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def default_num_threads() -> int:
    """One core is left to the editor: with spin barriers on every core a busy machine decodes at half the speed."""
    has_affinity = hasattr(os, "sched_getaffinity")
    num_cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, num_cores - 1)
