"""What learns under each method, merging, and interpolation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from lsp_server.errors import CheckpointError, RecipeError
from lsp_server.model.gpt2 import GPT2
from trainer.fit.speed import flops_per_token
from trainer.recipe import parse_recipe
from trainer.tuning.network import PretrainedNetwork, build_tuned, interpolate, merged_model
from trainer.tuning.pretrained import load_network
from trainer.tuning.result import as_gpt2

from .conftest import model_config, tuning_recipe

FOLDERS = ["gpt2_folder", "llama_folder", "tied_llama_folder"]


def teach(network: PretrainedNetwork, steps: int = 3) -> torch.Tensor:
    """A few steps in which the added tokens are read and foretold; returns what was taught."""
    ids = torch.tensor([[5, 6, *network.added_ids, 7, 8, *network.added_ids]])
    optimizer = torch.optim.AdamW([each for each in network.parameters() if each.requires_grad], lr=1e-2)
    for _ in range(steps):
        F.cross_entropy(network(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()
    network.eval()
    return ids


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("fixture", FOLDERS)
def test_a_merged_checkpoint_says_what_the_network_said(
    fixture: str, method: str, request: pytest.FixtureRequest
) -> None:
    recipe = tuning_recipe(request.getfixturevalue(fixture), method=method)
    torch.manual_seed(0)
    network = build_tuned(recipe)
    ids = teach(network)
    expected = network(ids).detach()

    model = merged_model(recipe, network.state_dict())

    torch.testing.assert_close(model(input_ids=ids).logits, expected, atol=1e-5, rtol=1e-4)
    assert not any("lora" in name for name, _ in model.named_parameters())


@pytest.mark.parametrize("fixture", FOLDERS)
def test_adapters_leave_the_base_and_teach_the_added_rows(fixture: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(fixture)
    recipe = tuning_recipe(folder, method="lora")
    network = build_tuned(recipe)
    before = {name: each.detach().clone() for name, each in network.named_parameters() if not each.requires_grad}
    teach(network)

    model = merged_model(recipe, network.state_dict())

    assert all(torch.equal(dict(network.named_parameters())[name], each) for name, each in before.items())
    base = load_network(model_config(folder), 0)
    for tuned, old in (
        (model.get_input_embeddings(), base.get_input_embeddings()),
        (model.get_output_embeddings(), base.get_output_embeddings()),
    ):
        assert torch.equal(tuned.weight[:301], old.weight), "rows of the base stay"
        mean = old.weight.mean(dim=0)
        for row in network.added_ids:
            assert not torch.allclose(tuned.weight[row], mean, atol=5e-3), "an added row has learnt"


def test_a_gpt2_learns_in_full_as_our_own_network_and_says_what_transformers_says(gpt2_folder: Path) -> None:
    recipe = tuning_recipe(gpt2_folder)
    network = build_tuned(replace(recipe, model=replace(recipe.model, dropout=0.25))).eval()
    reference = load_network(model_config(gpt2_folder), 305).eval()
    assert isinstance(network.model, GPT2)
    assert network.model.config.dropout == 0.25
    ids = torch.tensor([[5, 6, 300, 7, 8]])
    known = slice(0, 301)  # rows of added tokens are drawn
    torch.testing.assert_close(network(ids)[..., known], reference(ids).logits[..., known], atol=1e-5, rtol=1e-4)
    assert all(each.requires_grad and each.is_contiguous() for each in network.parameters())


def test_targets_are_the_recipes(gpt2_folder: Path) -> None:
    network = build_tuned(tuning_recipe(gpt2_folder, method="lora", targets=["c_attn"], rank=4))
    adapted = {name.split(".lora_")[0].rpartition(".")[2] for name, _ in network.named_parameters() if "lora_" in name}
    assert adapted == {"c_attn"}
    with pytest.raises(RecipeError, match=r"tuning\.targets is \['q_proj'\].*c_attn"):
        build_tuned(tuning_recipe(gpt2_folder, method="lora", targets=["q_proj"]))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"method": "qlora"}, "choose one of 'full', 'lora'"),
        ({"rank": 0}, "tuning.rank is 0: choose a value from 1"),
        ({"replay_share": 1.0}, "choose a value from 0.0 to 0.9"),
        ({"interpolation": 1.5}, "choose a value from 0.0 to 1.0"),
        ({"targets": [" "]}, "holds an empty name"),
        ({"ranks": 3}, "did you mean tuning.rank?"),
    ],
)
def test_an_impossible_value_is_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe({"run": "a", "tuning": table})
    assert message in str(caught.value)


def test_our_network_says_what_transformers_says(gpt2_folder: Path) -> None:
    recipe = tuning_recipe(gpt2_folder, method="lora")
    network = build_tuned(recipe)
    ids = teach(network)
    model = merged_model(recipe, network.state_dict())

    ours = as_gpt2(model)

    assert ours is not None
    torch.testing.assert_close(ours.eval()(ids), model(input_ids=ids).logits, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "change", [{"scale_attn_by_inverse_layer_idx": True}, {"activation_function": "relu"}, {"n_inner": 64}]
)
def test_a_variant_that_ours_does_not_compute_is_no_bundle(gpt2_folder: Path, change: dict[str, Any]) -> None:
    model = load_network(model_config(gpt2_folder), 0)
    assert as_gpt2(model) is not None
    for key, value in change.items():
        setattr(model.config, key, value)
    assert as_gpt2(model) is None


def test_another_family_is_no_bundle(llama_folder: Path) -> None:
    assert as_gpt2(load_network(model_config(llama_folder), 0)) is None


def test_interpolation_mixes_what_both_know_and_keeps_what_one_learnt(gpt2_folder: Path) -> None:
    torch.manual_seed(0)
    tuned, base = load_network(model_config(gpt2_folder), 305), load_network(model_config(gpt2_folder), 0)
    for parameter in tuned.parameters():
        parameter.data.add_(1.0)
    own = {name: each.detach().clone() for name, each in tuned.named_parameters()}

    interpolate(tuned, base, 0.25, added_ids=(301, 302))

    for name, mixed in tuned.named_parameters():
        old = dict(base.named_parameters())[name]
        rows = slice(0, len(old))
        torch.testing.assert_close(mixed[rows], 0.25 * own[name][rows] + 0.75 * old)
        assert torch.equal(mixed[len(old) :], own[name][len(old) :])


def test_interpolation_of_the_export_is_the_recipes(gpt2_folder: Path) -> None:
    network = build_tuned(tuning_recipe(gpt2_folder))
    teach(network)
    ends = {
        share: merged_model(tuning_recipe(gpt2_folder, interpolation=share), network.state_dict()) for share in (0, 1)
    }
    middle = merged_model(tuning_recipe(gpt2_folder, interpolation=0.5), network.state_dict())
    base = load_network(model_config(gpt2_folder), 305)
    name = "transformer.h.0.mlp.c_fc.weight"
    weights = {share: model.get_parameter(name) for share, model in ends.items()}
    assert torch.equal(weights[0], base.get_parameter(name))
    torch.testing.assert_close(middle.get_parameter(name), (weights[0] + weights[1]) / 2)
    added = list(network.added_ids)
    assert torch.equal(ends[0].transformer.wte.weight[added], ends[1].transformer.wte.weight[added])


def test_a_checkpoint_of_another_network_is_refused(gpt2_folder: Path) -> None:
    recipe = tuning_recipe(gpt2_folder)
    state = build_tuned(recipe).state_dict()
    lost = {name: tensor for name, tensor in state.items() if "h.1.mlp" not in name}
    with pytest.raises(CheckpointError, match="it lacks"):
        merged_model(recipe, lost)
    with pytest.raises(CheckpointError, match="put the recipe back"):
        merged_model(recipe, {**state, "strange": torch.zeros(1)})


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_arithmetic_of_a_pretrained_network_is_known(gpt2_folder: Path, method: str) -> None:
    """It looks at values on its way, which a copy on the meta device does not have."""
    network = build_tuned(tuning_recipe(gpt2_folder, method=method))
    assert flops_per_token(network, 48) > 1000


def test_only_the_last_blocks_learn_where_asked(gpt2_folder: Path) -> None:
    network = build_tuned(tuning_recipe(gpt2_folder, method="blocks", last_blocks=1))
    learning = {name.removeprefix("model.") for name, each in network.named_parameters() if each.requires_grad}
    assert learning
    assert all(name.startswith(("h.1.", "ln_f.")) for name in learning)
    with pytest.raises(RecipeError, match=r"tuning.last_blocks is 3, and the model has 2"):
        build_tuned(tuning_recipe(gpt2_folder, method="blocks", last_blocks=3))


def test_last_blocks_of_another_family_are_refused(llama_folder: Path) -> None:
    with pytest.raises(RecipeError, match="only a GPT-2 like ours"):
        build_tuned(tuning_recipe(llama_folder, method="blocks", last_blocks=1))
