"""The recurrent network: causal, and really looking back."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from trainer.recurrent import RecurrentAttention, RecurrentConfig


@pytest.fixture
def network() -> RecurrentAttention:
    torch.manual_seed(0)
    shape = RecurrentConfig(vocab_size=40, context_tokens=16, width=12, num_layers=2)
    network = RecurrentAttention(shape).eval()
    torch.nn.init.normal_(network.wte.weight)
    return network


def test_later_tokens_do_not_change_earlier_logits(network: RecurrentAttention) -> None:
    ids = torch.randint(40, (3, 16))
    changed = ids.clone()
    changed[:, 9:] = (changed[:, 9:] + 1) % 40

    before, after = network(ids), network(changed)

    assert torch.equal(before[:, :9], after[:, :9])
    assert not torch.allclose(before[:, 9], after[:, 9])


def test_attention_is_a_plain_weighted_mean_of_past_states(network: RecurrentAttention) -> None:
    """The slow twin: one place at a time, from the states up to it."""
    ids = torch.randint(40, (1, 7))
    states, _ = network.gru(network.wte(ids))
    rows = []
    for place in range(7):
        past = states[0, : place + 1]
        weights = (past @ network.score(states[0, place]) / 12**0.5).softmax(dim=0)
        combined = torch.tanh(network.combine(torch.cat([weights @ past, states[0, place]])))
        rows.append(F.linear(combined, network.wte.weight))
    torch.testing.assert_close(network(ids)[0], torch.stack(rows), atol=1e-5, rtol=1e-5)


def test_every_parameter_learns(network: RecurrentAttention) -> None:
    network(torch.randint(40, (2, 8))).square().mean().backward()
    assert all(bool(parameter.grad.abs().sum() > 0) for parameter in network.parameters())
