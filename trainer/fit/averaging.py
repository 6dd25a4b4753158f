"""A running mean of the weights over the tail of a run: often better than the last weights, and free of their noise.

Source: Polyak averaging as in Izmailov et al. 2018 (arXiv 1803.05407); the slow start is that of TensorFlow's
ExponentialMovingAverage.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

AVERAGE = "average.safetensors"


class WeightAverage:
    """The mean of a network's parameters; empty until the first `update`. Mutable; the loop owns it."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self._parameters = dict(network.named_parameters())
        self._mean: dict[str, Tensor] = {}
        self.num_updates = 0

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are."""
        if not self._mean:
            self._mean = {name: parameter.detach().clone() for name, parameter in self._parameters.items()}
        self.num_updates += 1
        decay = min(self._decay, self.num_updates / (10 + self.num_updates))
        torch._foreach_lerp_(list(self._mean.values()), list(self._parameters.values()), 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """While entered, the network has the mean for its weights; before the first update, its own."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, mean in self._mean.items():
            parameter = self._parameters[name]
            parameter.data, self._mean[name] = mean, parameter.data

    def save(self, checkpoint: Path) -> None:
        if self._mean:
            save_file({name: mean.contiguous() for name, mean in self._mean.items()}, checkpoint / AVERAGE)

    def load(self, checkpoint: Path, num_updates: int) -> None:
        """Raises: what the reader raises for a file that is missing or damaged."""
        self.num_updates = num_updates
        if num_updates:
            found = load_file(checkpoint / AVERAGE)
            self._mean = {name: found[name].to(parameter.device) for name, parameter in self._parameters.items()}
