"""What a run runs on, and about how much power that draws: rated, not measured. For the model card."""

from __future__ import annotations

import torch

from lsp_server.machine import processor

WATTS_A_CORE = 10.0
"""With its share of memory and losses. A 64-core EPYC 9554 is rated at 360 W, 5.6 W a core, by itself."""
GPU_WATTS = {"H200": 700.0, "H100": 700.0, "B200": 1000.0, "A100": 400.0, "L40": 300.0, "L4": 72.0, "T4": 70.0}
"""Board power by a word of the device's name. Source: NVIDIA's data sheets, the SXM form where there are several."""
OTHER_GPU_WATTS = 300.0


def machine(device: torch.device, num_processes: int) -> tuple[str, float]:
    """A line of words, and watts."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        return f"{num_processes} x {name}", num_processes * watts_of_gpu(name)
    cores = torch.get_num_threads() * num_processes
    return f"{cores} cores of {processor()}", cores * WATTS_A_CORE


def watts_of_gpu(name: str) -> float:
    """Rated power of a device, by its name."""
    words = name.replace("-", " ").split()
    return next((watts for word, watts in GPU_WATTS.items() if word in words), OTHER_GPU_WATTS)
