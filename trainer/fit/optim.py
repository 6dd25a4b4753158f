"""Optimizers, and which parameters each of them updates and decays. Knows neither data nor where the run happens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from lsp_server.errors import RecipeError
from trainer.fit.config import FitConfig
from trainer.fit.muon import split_muon_class

ADAMW_SHARE_BESIDE_MUON = 0.3
"""AdamW's learning rate for embeddings and norms beside Muon's for matrices: embeddings tolerate less at our batch."""
JOINT_PROJECTION = "c_attn"
"""GPT-2's name for queries, keys and values in one matrix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterKinds:
    """A network's parameters, each in one kind; tied ones count once.

    Matrices decay; embeddings (a tied output layer with them), norms and biases do not.
    Source: minGPT, `configure_optimizers`, after the GPT papers' decay "on all non bias or gain weights".
    """

    block_matrices: list[tuple[str, nn.Parameter]]
    """Inside the repeated blocks: what Muon is for."""
    other_matrices: list[nn.Parameter]
    embeddings: list[nn.Parameter]
    vectors: list[nn.Parameter]

    @classmethod
    def of(cls, network: nn.Module) -> ParameterKinds:
        tables = {id(module.weight) for module in network.modules() if isinstance(module, nn.Embedding)}
        in_blocks = {
            id(parameter)
            for module in network.modules()
            if isinstance(module, nn.ModuleList)
            for parameter in module.parameters()
        }
        kinds = cls(block_matrices=[], other_matrices=[], embeddings=[], vectors=[])
        for name, parameter in network.named_parameters():
            if not parameter.requires_grad:
                continue
            if id(parameter) in tables:
                kinds.embeddings.append(parameter)
            elif parameter.ndim != 2:
                kinds.vectors.append(parameter)
            elif id(parameter) in in_blocks:
                kinds.block_matrices.append((name, parameter))
            else:
                kinds.other_matrices.append(parameter)
        return kinds


def build_optimizers(network: nn.Module, config: FitConfig) -> list[torch.optim.Optimizer]:
    """AdamW over everything, or Muon over the blocks' matrices beside AdamW over the rest.

    Raises: RecipeError when torch is too old to have Muon.
    """
    kinds = ParameterKinds.of(network)
    matrices = [parameter for _, parameter in kinds.block_matrices]
    plain = [*kinds.embeddings, *kinds.vectors]
    if config.optimizer == "adamw":
        return [_adamw([*matrices, *kinds.other_matrices], plain, config, config.learning_rate)]
    if not hasattr(torch.optim, "Muon"):
        raise RecipeError(f'fit.optimizer is "muon", which torch {torch.__version__} lacks: use 2.9 or "adamw"')
    if not matrices:
        raise RecipeError('fit.optimizer is "muon", but the network has no repeated blocks: use "adamw"')
    beside = _adamw(kinds.other_matrices, plain, config, config.learning_rate * ADAMW_SHARE_BESIDE_MUON)
    return [_muon(kinds.block_matrices, config), beside]


def _adamw(
    decayed: list[nn.Parameter], others: list[nn.Parameter], config: FitConfig, learning_rate: float
) -> torch.optim.Optimizer:
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    first, second = config.betas
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=learning_rate, betas=(first, second), fused=True
    )


def _muon(named: list[tuple[str, nn.Parameter]], config: FitConfig) -> torch.optim.Optimizer:
    joint = [parameter for name, parameter in named if JOINT_PROJECTION in name]
    single = [parameter for name, parameter in named if JOINT_PROJECTION not in name]
    groups = [{"params": single, "num_parts": 1}, {"params": joint, "num_parts": 3}]
    return split_muon_class()(
        [group for group in groups if group["params"]],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
