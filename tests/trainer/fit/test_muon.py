"""Our Muon against torch's."""

from __future__ import annotations

import pytest
import torch

from trainer.fit import muon
from trainer.fit.muon import orthogonal, split_muon_class

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


@pytest.mark.parametrize("shape", [(32, 16), (16, 32), (16, 16)])
def test_in_bf16_every_step_is_torchs_bit_for_bit(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muon, "_product_dtype", lambda _: torch.bfloat16)
    drawn = torch.Generator().manual_seed(1)
    ours, theirs = (torch.nn.Parameter(torch.ones(shape)) for _ in range(2))
    settings = {"lr": 0.02, "weight_decay": 0.1, "adjust_lr_fn": "match_rms_adamw"}
    mine = split_muon_class()([{"params": [ours], "num_parts": 1}], **settings)
    torchs = torch.optim.Muon([theirs], **settings)

    for _ in range(3):
        gradient = torch.randn(shape, generator=drawn)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        mine.step()
        torchs.step()

    assert torch.equal(ours, theirs)
    assert torch.equal(mine.state[ours]["momentum_buffer"], torchs.state[theirs]["momentum_buffer"])


@pytest.mark.parametrize("shape", [(48, 16), (16, 48)])
def test_singular_values_come_near_1(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 100

    values = torch.linalg.svdvals(orthogonal(matrix, COEFFICIENTS, 5).float())

    assert values.min() > 0.5
    assert values.max() < 1.5, "the iteration ends between 0.7 and 1.2 (Jordan's post)"


def test_products_are_fp32_where_bf16_is_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = torch.ones(4, 4)

    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert orthogonal(matrix, COEFFICIENTS, 1).dtype == torch.float32
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert orthogonal(matrix, COEFFICIENTS, 1).dtype == torch.bfloat16
