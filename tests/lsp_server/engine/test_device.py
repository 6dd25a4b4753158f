"""Which device is chosen. This machine may have any; CUDA and MPS are played by monkeypatching what torch reports."""

from __future__ import annotations

import pytest
import torch

from lsp_server.engine.device import choose_device, compute_dtype, default_num_threads
from lsp_server.errors import SettingsError


def pretend(monkeypatch: pytest.MonkeyPatch, *, num_cuda: int, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: num_cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: num_cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("num_cuda", "mps", "name", "expected"),
    [
        (1, True, "auto", "cuda"),
        (0, True, "auto", "mps"),
        (0, False, "auto", "cpu"),
        (2, True, "cpu", "cpu"),
        (2, False, "cuda:1", "cuda:1"),
        (1, False, "cuda", "cuda"),
        (0, True, "mps", "mps"),
    ],
)
def test_the_best_device_that_is_there(
    monkeypatch: pytest.MonkeyPatch, num_cuda: int, mps: bool, name: str, expected: str
) -> None:
    pretend(monkeypatch, num_cuda=num_cuda, mps=mps)
    assert str(choose_device(name)) == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cuda", "PyTorch sees 0 CUDA devices"),
        ("cuda:1", "device is cuda:1, but PyTorch sees 0"),
        ("mps", "no Apple GPU"),
        ("gpu", "choose auto, cpu, cuda, cuda:0 or mps"),
        ("cuda:x", "choose auto"),
        ("meta", "choose auto"),
        ("", "choose auto"),
    ],
)
def test_a_device_that_is_not_there_is_a_settings_error(
    monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    pretend(monkeypatch, num_cuda=0, mps=False)
    with pytest.raises(SettingsError, match=message):
        choose_device(name)


@pytest.mark.parametrize(
    ("device", "capability", "dtype"),
    [
        ("cpu", (0, 0), torch.float32),
        ("mps", (0, 0), torch.float16),
        ("cuda", (7, 5), torch.float16),
        ("cuda", (9, 0), torch.bfloat16),
    ],
)
def test_the_number_format_of_a_device(
    monkeypatch: pytest.MonkeyPatch, device: str, capability: tuple[int, int], dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert compute_dtype(torch.device(device)) is dtype


def test_one_core_is_left_to_the_editor() -> None:
    assert default_num_threads() >= 1
