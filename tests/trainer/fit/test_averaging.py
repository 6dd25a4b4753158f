"""The running mean of the weights."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from trainer.fit.averaging import WeightAverage


def network(value: float) -> nn.Linear:
    linear = nn.Linear(1, 1, bias=False)
    nn.init.constant_(linear.weight, value)
    return linear


def test_the_mean_begins_at_the_weights_and_forgets_slowly(tmp_path: Path) -> None:
    linear = network(1.0)
    average = WeightAverage(linear, decay=0.5)
    average.update()
    nn.init.constant_(linear.weight, 3.0)
    average.update()  # the second update still weighs the past by 2/12 only

    with average.in_place():
        inside = linear.weight.item()

    assert linear.weight.item() == 3.0
    assert torch.isclose(torch.tensor(inside), torch.tensor(2 / 12 * 1.0 + 10 / 12 * 3.0))

    average.save(tmp_path)
    other = WeightAverage(network(0.0), decay=0.5)
    other.load(tmp_path, average.num_updates)
    assert other.num_updates == 2
    with other.in_place():
        pass


def test_before_the_first_update_there_is_no_mean(tmp_path: Path) -> None:
    linear = network(1.0)
    average = WeightAverage(linear, decay=0.5)

    with average.in_place():
        assert linear.weight.item() == 1.0
    average.save(tmp_path)

    assert not list(tmp_path.iterdir())
