"""Optimizers and the learning-rate schedule. Knows nothing of data or of where the run happens."""

from __future__ import annotations

import math

import torch
from torch import nn

from lsp_server.errors import RecipeError
from trainer.config import FitConfig

ADAMW_SHARE_BESIDE_MUON = 0.3
"""AdamW's learning rate for embeddings and norms beside Muon's for matrices: embeddings tolerate less at our batch."""


def build_optimizers(network: nn.Module, config: FitConfig) -> list[torch.optim.Optimizer]:
    """AdamW over everything, or Muon over the blocks' matrices beside AdamW over the rest.

    Matrices and embeddings decay; biases and norms do not.

    Raises: RecipeError when torch is too old to have Muon.
    """
    named = [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]
    matrices = [parameter for name, parameter in named if parameter.ndim == 2 and ".h." in f".{name}"]
    tables = [parameter for name, parameter in named if parameter.ndim == 2 and ".h." not in f".{name}"]
    vectors = [parameter for _, parameter in named if parameter.ndim < 2]
    if config.optimizer == "adamw":
        return [_adamw([*matrices, *tables], vectors, config, config.learning_rate)]
    if not hasattr(torch.optim, "Muon"):
        raise RecipeError(f'fit.optimizer is "muon", which torch {torch.__version__} lacks: use 2.9 or "adamw"')
    muon = torch.optim.Muon(
        matrices,
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        adjust_lr_fn="match_rms_adamw",  # AdamW's learning rates carry over. Source: Moonlight, arXiv 2502.16982
    )
    return [muon, _adamw(tables, vectors, config, config.learning_rate * ADAMW_SHARE_BESIDE_MUON)]


def _adamw(
    decayed: list[nn.Parameter], others: list[nn.Parameter], config: FitConfig, learning_rate: float
) -> torch.optim.Optimizer:
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    first, second = config.betas
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(first, second), fused=True)


def learning_rate_factor(progress: float, config: FitConfig) -> float:
    """What the peak learning rate is multiplied with after `progress` (0 to 1) of the run."""
    progress = min(max(progress, 0.0), 1.0)
    if progress < config.warmup_share:
        return max(progress / config.warmup_share, 0.01)
    after_warmup = 1 - config.warmup_share
    if config.schedule == "cosine" and after_warmup:
        return 0.5 * (1 + math.cos(math.pi * (progress - config.warmup_share) / after_warmup))
    decay_share = config.decay_share if config.schedule == "wsd" else after_warmup
    return min(1.0, (1 - progress) / decay_share) if decay_share else 1.0
