"""Which parameters decay, who updates them, and how fast."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from lsp_server.errors import RecipeError
from lsp_server.model.gpt2 import GPT2, GPT2Config
from trainer.config import FitConfig
from trainer.fit.optim import build_optimizers


def fit_config(**values: Any) -> FitConfig:
    return FitConfig(**{"max_steps": 100, **values})


@pytest.fixture
def network() -> GPT2:
    torch.manual_seed(0)
    return GPT2(GPT2Config(vocab_size=64, context_tokens=16, width=16, num_layers=2, num_heads=2))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_every_parameter_is_in_one_group_and_only_the_blocks_matrices_decay(network: GPT2, optimizer: str) -> None:
    optimizers = build_optimizers(network, fit_config(optimizer=optimizer, weight_decay=0.1))
    groups = [group for each in optimizers for group in each.param_groups]

    assigned = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(assigned) == sorted(id(parameter) for parameter in network.parameters())
    for group in groups:
        for parameter in group["params"]:
            is_table = parameter is network.wte.weight or parameter is network.wpe.weight
            assert group["weight_decay"] == (0.1 if parameter.ndim == 2 and not is_table else 0.0)


def test_muon_gets_the_blocks_matrices_and_nothing_else(network: GPT2) -> None:
    muon, adamw = build_optimizers(network, fit_config(optimizer="muon", learning_rate=0.01))

    names = {id(parameter): name for name, parameter in network.named_parameters()}
    matrices = {names[id(parameter)] for group in muon.param_groups for parameter in group["params"]}
    expected = {name for name, parameter in network.named_parameters() if "h." in name and parameter.ndim == 2}
    assert matrices == expected
    assert len(matrices) == 8
    assert adamw.param_groups[0]["weight_decay"] == 0.0, "embeddings, norms and biases are left to it"
    assert adamw.param_groups[0]["lr"] < muon.param_groups[0]["lr"] == 0.01


def test_muon_makes_queries_keys_and_values_orthogonal_each_by_itself(network: GPT2) -> None:
    joint = network.h[0].attn.c_attn.weight
    before = joint.detach().clone()
    muon, _ = build_optimizers(network, fit_config(optimizer="muon", learning_rate=0.01, weight_decay=0.0))
    gradients = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(2)) * torch.tensor(
        [1.0, 100.0, 1e4]
    ).view(3, 1, 1)
    joint.grad = gradients.reshape(48, 16)

    muon.step()

    for part, gradient in zip((before - joint.detach()).chunk(3), gradients, strict=True):
        alone = torch.nn.Parameter(torch.zeros(16, 16))
        alone.grad = gradient.clone()
        torch.optim.Muon([alone], lr=0.01, weight_decay=0.0, adjust_lr_fn="match_rms_adamw").step()
        torch.testing.assert_close(part, -alone.detach(), atol=1e-4, rtol=2e-2)  # its products are in bf16


def test_a_joint_matrix_the_other_way_round_is_cut_along_its_columns() -> None:
    """GPT-2's original Conv1D keeps inputs in rows."""

    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.c_attn = torch.nn.Parameter(torch.zeros(4, 12))

    network = torch.nn.Module()
    network.h = torch.nn.ModuleList([Block()])
    network.head = torch.nn.Linear(4, 4)
    muon, _ = build_optimizers(network, fit_config(optimizer="muon", weight_decay=0.0))
    weight = network.h[0].c_attn
    weight.grad = torch.cat([torch.eye(4), 100 * torch.eye(4), 1e4 * torch.eye(4)], dim=1)

    muon.step()

    first, second, third = weight.detach().chunk(3, dim=1)
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(first, third)


def test_tied_embeddings_count_once_and_a_head_of_its_own_decays() -> None:
    network = torch.nn.Module()
    network.table = torch.nn.Embedding(8, 4)
    network.tied = torch.nn.Linear(4, 8, bias=False)
    network.tied.weight = network.table.weight
    network.head = torch.nn.Linear(4, 8)

    decayed, plain = build_optimizers(network, fit_config())[0].param_groups

    assert [id(each) for each in decayed["params"]] == [id(network.head.weight)]
    assert {id(each) for each in plain["params"]} == {id(network.table.weight), id(network.head.bias)}


def test_muon_without_blocks_is_refused() -> None:
    with pytest.raises(RecipeError, match='no repeated blocks: use "adamw"'):
        build_optimizers(torch.nn.Linear(4, 4), fit_config(optimizer="muon"))


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
