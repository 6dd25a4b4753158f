"""The fit, on places whose probabilities are known by construction."""

from __future__ import annotations

import pytest
import torch

from benchmarks.recall.trust import Matches, Places, fit, nats


def matches(shares: list[float], feature: float = 0.0) -> Matches:
    features = torch.tensor([[1.0, feature, 0.0, 0.0]] * len(shares), dtype=torch.float64)
    return Matches(features, torch.ones(len(shares), dtype=torch.float64), torch.tensor(shares, dtype=torch.float64))


def nowhere(count: int) -> Matches:
    return Matches(
        torch.zeros((count, 4), dtype=torch.float64), torch.zeros(count).double(), torch.zeros(count).double()
    )


def test_without_memories_the_model_is_all() -> None:
    places = Places(torch.tensor([0.5, 0.25], dtype=torch.float64), matches([1.0, 1.0]), nowhere(2))
    assert nats(places, None, None).tolist() == pytest.approx([0.693147, 1.386294], abs=1e-6)


def test_a_match_is_mixed_in_with_its_weight() -> None:
    places = Places(torch.tensor([0.5], dtype=torch.float64), matches([1.0]), nowhere(1))
    assert nats(places, [0.0] * 4, None).exp().reciprocal().item() == pytest.approx(0.75)


@pytest.mark.parametrize("right", [0.9, 0.5, 0.2])
def test_the_fitted_weight_is_how_often_a_sure_memory_is_right_where_the_model_knows_nothing(right: float) -> None:
    """Then the likeliest mixture trusts the memory as often as it is right."""
    count = 1000
    shares = [1.0] * int(right * count) + [0.0] * (count - int(right * count))
    places = Places(torch.full((count,), 1e-3, dtype=torch.float64), matches(shares), nowhere(count))
    live, _ = fit(places, torch.ones(count, dtype=torch.bool))
    assert torch.sigmoid(torch.tensor(live[0])).item() == pytest.approx(right, abs=0.02)
