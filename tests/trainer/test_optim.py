"""Which parameters decay, who updates them, and how fast."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from lsp_server.errors import RecipeError
from lsp_server.model.gpt2 import GPT2, GPT2Config
from trainer.config import FitConfig
from trainer.optim import build_optimizers, learning_rate_factor


def fit_config(**values: Any) -> FitConfig:
    return FitConfig(**{"max_steps": 100, **values})


@pytest.fixture
def network() -> GPT2:
    torch.manual_seed(0)
    return GPT2(GPT2Config(vocab_size=64, context_tokens=16, width=16, num_layers=2, num_heads=2))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_every_parameter_is_in_one_group_and_only_matrices_decay(network: GPT2, optimizer: str) -> None:
    optimizers = build_optimizers(network, fit_config(optimizer=optimizer, weight_decay=0.1))
    groups = [group for each in optimizers for group in each.param_groups]

    assigned = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(assigned) == sorted(id(parameter) for parameter in network.parameters())
    for group in groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.1 if parameter.ndim == 2 else 0.0)


def test_muon_gets_the_blocks_matrices_and_nothing_else(network: GPT2) -> None:
    muon, adamw = build_optimizers(network, fit_config(optimizer="muon", learning_rate=0.01))

    names = {id(parameter): name for name, parameter in network.named_parameters()}
    matrices = {names[id(parameter)] for group in muon.param_groups for parameter in group["params"]}
    expected = {name for name, parameter in network.named_parameters() if "h." in name and parameter.ndim == 2}
    assert matrices == expected
    assert len(matrices) == 8
    assert adamw.param_groups[0]["lr"] < muon.param_groups[0]["lr"] == 0.01


def test_muon_without_a_torch_that_has_it_is_refused(network: GPT2, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon")

    with pytest.raises(RecipeError, match=r'use 2\.9 or "adamw"'):
        build_optimizers(network, fit_config(optimizer="muon"))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_few_steps_lower_the_loss(network: GPT2, optimizer: str) -> None:
    optimizers = build_optimizers(network, fit_config(optimizer=optimizer, learning_rate=1e-2))
    ids_BT = torch.randint(64, (4, 17), generator=torch.Generator().manual_seed(1))

    def loss() -> torch.Tensor:
        return F.cross_entropy(network(ids_BT[:, :-1]).flatten(0, 1), ids_BT[:, 1:].flatten())

    before = loss().item()
    for _ in range(3):
        torch.autograd.backward(loss())
        for each in optimizers:
            each.step()
            each.zero_grad()

    assert loss().item() < before - 0.1


def curve(config: FitConfig) -> list[float]:
    return [learning_rate_factor(step / 100, config) for step in range(101)]


@pytest.mark.parametrize("schedule", ["wsd", "linear", "cosine"])
def test_every_schedule_warms_up_to_1_and_ends_at_0(schedule: str) -> None:
    factors = curve(fit_config(schedule=schedule, warmup_share=0.1, decay_share=0.3))

    assert 0 < factors[0] <= 0.1
    assert all(left < right for left, right in pairwise(factors[:11]))
    assert factors[10] == pytest.approx(1.0)
    assert factors[100] == pytest.approx(0.0, abs=1e-9)
    assert all(left >= right for left, right in pairwise(factors[10:]))


def test_wsd_stays_and_then_falls_in_a_line() -> None:
    factors = curve(fit_config(schedule="wsd", warmup_share=0.1, decay_share=0.4))

    assert factors[10:60] == [1.0] * 50
    assert factors[60:] == pytest.approx([(100 - step) / 40 for step in range(60, 101)])


def test_linear_falls_from_the_end_of_the_warm_up() -> None:
    factors = curve(fit_config(schedule="linear", warmup_share=0.2))

    assert factors[20:] == pytest.approx([(100 - step) / 80 for step in range(20, 101)])


def test_cosine_is_at_half_in_the_middle() -> None:
    factors = curve(fit_config(schedule="cosine", warmup_share=0.0, decay_share=0.0))

    assert factors[0] == 1.0
    assert factors[50] == pytest.approx(0.5)
    assert factors[25] + factors[75] == pytest.approx(1.0)


def test_wsd_without_a_decay_stays_to_the_end() -> None:
    assert learning_rate_factor(1.0, fit_config(warmup_share=0.1, decay_share=0.0)) == 1.0


@pytest.mark.parametrize("schedule", ["wsd", "linear", "cosine"])
def test_a_run_that_only_warms_up_is_possible(schedule: str) -> None:
    factors = curve(fit_config(schedule=schedule, warmup_share=1.0, decay_share=0.0))

    assert factors[50] == pytest.approx(0.5)
    assert factors[100] <= 1.0


def test_progress_beyond_the_end_changes_nothing() -> None:
    config = fit_config()

    assert learning_rate_factor(1.5, config) == learning_rate_factor(1.0, config)
    assert learning_rate_factor(-1.0, config) == learning_rate_factor(0.0, config)
