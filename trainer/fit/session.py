"""A network with its optimizers on its device, among its processes: what accelerate makes of a recipe.

Knows neither text nor files. Shape suffixes: B rows, T tokens, V vocabulary.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, parse_flag_from_env
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from lsp_server.errors import RecipeError
from lsp_server.model.gpt2 import GPT2
from trainer.fit.config import FitConfig
from trainer.fit.feed import Batch
from trainer.fit.optim import build_optimizers
from trainer.fit.recompute import recompute_blocks

SEGMENTS = "segments"
"""Each token's document within its row, where attention is to stay within documents."""


@dataclass(slots=True)
class Session:
    """What one process trains with. Mutable: the network learns, and rows may turn out not to fit the memory."""

    accelerator: Accelerator
    config: FitConfig
    network: nn.Module
    optimizers: list[Any]  # Any: accelerate's wrapper is untyped
    rows_at_once: int
    """Rows of one forward pass: the recipe's, or fewer where those did not fit."""
    peak_rates: list[list[float]] = field(default_factory=list)

    @classmethod
    def start(cls, network: nn.Module, config: FitConfig, run_dir: Path) -> Session:
        """Raises: RecipeError for a precision, optimizer or tracker that this machine or installation does not have."""
        accelerator = Accelerator(
            mixed_precision=_precision(config),
            log_with=_trackers(config) or None,
            project_dir=str(run_dir),
        )
        _check_sharding(accelerator, config)
        if config.recompute:
            recompute_blocks(network)
        prepared = accelerator.prepare(network, *build_optimizers(network, config))
        if config.compile:
            prepared[0].compile()
        session = cls(
            accelerator=accelerator,
            config=config,
            network=prepared[0],
            optimizers=list(prepared[1:]),
            rows_at_once=config.batch_rows,
        )
        session.peak_rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in session.optimizers]
        return session

    @property
    def num_processes(self) -> int:
        return int(self.accelerator.num_processes)

    @property
    def plain_network(self) -> nn.Module:
        """Without what accelerate wraps around it."""
        network: nn.Module = self.accelerator.unwrap_model(self.network)
        return network

    @property
    def chunkable(self) -> GPT2 | None:
        """The network where its output layer and its loss may be computed together, past accelerate and the compiler.

        On a CPU, where that was measured to pay; a GPU may gain from it too, and has not been tried.
        """
        is_plain = self.num_processes == 1 and not self.config.compile
        inner = getattr(self.plain_network, "model", self.plain_network)  # a tuned GPT-2 is one inside another module
        return inner if is_plain and self.accelerator.device.type == "cpu" and isinstance(inner, GPT2) else None

    def logits(self, batch: Batch) -> Tensor:
        """What the network says to a batch, BTV."""
        segments = (batch[SEGMENTS],) if SEGMENTS in batch else ()
        with self.accelerator.autocast():
            logits_BTV: Tensor = self.network(batch["ids"], *segments)
        return logits_BTV

    def set_learning_rate(self, factor: float) -> float:
        """Set every group to its peak times `factor`; returns the first group's."""
        for optimizer, rates in zip(self.optimizers, self.peak_rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
        return self.peak_rates[0][0] * factor

    def settings_of_groups(self) -> list[list[dict[str, Any]]]:  # Any: torch's own type of a group
        """Everything the recipe says about each optimizer's groups."""
        return [
            [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
            for optimizer in self.optimizers
        ]

    def restore_settings(self, settings: list[list[dict[str, Any]]]) -> None:
        """Put the recipe's settings back over those of a checkpoint."""
        for optimizer, groups in zip(self.optimizers, settings, strict=True):
            for group, values in zip(optimizer.param_groups, groups, strict=True):
                group.update(values)

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over all processes."""
        return self.accelerator.reduce(tensor, "sum") if self.num_processes > 1 else tensor

    def syncing(self, last: bool) -> contextlib.AbstractContextManager[None]:
        """Gradients meet once a step: in its last backward pass."""
        if last or self.num_processes == 1:
            return contextlib.nullcontext()
        waiting: contextlib.AbstractContextManager[None] = self.accelerator.no_sync(self.network)
        return waiting

    def clip(self) -> Tensor:
        """Clip the gradient by its norm; returns the norm before."""
        limit = self.config.clip_norm or math.inf
        norm: Tensor = self.accelerator.clip_grad_norm_(self.network.parameters(), limit)
        return norm.full_tensor() if isinstance(norm, DTensor) else norm  # sharded weights have sharded gradients


def _precision(config: FitConfig) -> str:
    """accelerate's name: bf16 where the device multiplies it natively, fp16 on older GPUs, fp32 elsewhere."""
    if config.precision == "fp16":
        if not torch.cuda.is_available():
            raise RecipeError('fit.precision is "fp16", which only a GPU trains in: use "bf16" or "auto"')
        if config.optimizer == "muon":  # accelerate unscales the second optimizer's gradients twice
            raise RecipeError('fit.precision is "fp16", which serves one optimizer only: use "adamw", or "bf16"')
    if config.precision != "auto":
        return {"bf16": "bf16", "fp16": "fp16", "fp32": "no"}[config.precision]
    if torch.cuda.is_available():
        older = "no" if config.optimizer == "muon" else "fp16"
        return "bf16" if torch.cuda.is_bf16_supported() else older
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "no"


def _check_sharding(accelerator: Accelerator, config: FitConfig) -> None:
    if accelerator.distributed_type == DistributedType.FSDP:
        if config.optimizer == "muon":
            raise RecipeError('fit.optimizer is "muon", which needs whole matrices: with FSDP use "adamw"')
        if config.ema_decay:
            raise RecipeError(
                f"fit.ema_decay is {config.ema_decay:g}, which needs whole weights: with FSDP set it to 0"
            )
    elif parse_flag_from_env("ACCELERATE_USE_FSDP"):
        raise RecipeError("accelerate shards weights on several GPUs only: launch without --use_fsdp here")


def _trackers(config: FitConfig) -> list[str]:
    if "wandb" in config.trackers:
        try:
            import wandb  # noqa: F401
        except ImportError as error:
            raise RecipeError(
                'fit.trackers names "wandb", which is not installed: pip install wandb, or take it out'
            ) from error
    return list(config.trackers)
