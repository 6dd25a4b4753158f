"""Activation checkpointing: each repeated block keeps its input only, and is computed again when gradients flow back.

Source: Chen et al. 2016 (arXiv 1604.06174). Works on any network whose blocks stand in a ModuleList.
"""

from __future__ import annotations

import functools
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint


def recompute_blocks(network: nn.Module) -> None:
    """Have every block of the longest ModuleList computed twice. The random state is put back for the second time."""
    lists = [module for module in network.modules() if isinstance(module, nn.ModuleList)]
    for block in max(lists, key=len, default=()):
        block.forward = functools.partial(_recomputed, block, block.forward)


def _recomputed(block: nn.Module, forward: Any, *inputs: Any, **options: Any) -> Any:  # Any: whatever blocks take
    if not block.training:
        return forward(*inputs, **options)
    return checkpoint(forward, *inputs, use_reentrant=False, **options)
