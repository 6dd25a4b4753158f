from __future__ import annotations

import pytest
import torch

from trainer.fit.power import GPU_WATTS, OTHER_GPU_WATTS, WATTS_A_CORE, machine, watts_of_gpu


@pytest.mark.parametrize(
    ("name", "watts"),
    [
        ("NVIDIA H200", GPU_WATTS["H200"]),
        ("NVIDIA A100-SXM4-80GB", GPU_WATTS["A100"]),
        ("NVIDIA L4", GPU_WATTS["L4"]),
        ("NVIDIA L40", GPU_WATTS["L40"]),
        ("Some GPU", OTHER_GPU_WATTS),
    ],
)
def test_a_gpus_power_is_found_by_its_name(name: str, watts: float) -> None:
    assert watts_of_gpu(name) == watts


def test_a_cpu_draws_by_the_cores_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    words, watts = machine(torch.device("cpu"), 2)
    assert words.startswith("6 cores of ")
    assert watts == 6 * WATTS_A_CORE
