"""The output layer and the loss in chunks, beside their slow twin: all logits, then torch's cross entropy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lsp_server.model.gpt2 import GPT2, GPT2Config
from trainer.fit import chunked_loss
from trainer.fit.chunked_loss import IGNORED_LABEL, linear_cross_entropy
from trainer.fit.config import FitConfig
from trainer.fit.session import SEGMENTS, Session
from trainer.fit.steps import summed_loss, whole_loss
from trainer.tuning.network import PretrainedNetwork

pytestmark = pytest.mark.usefixtures("fresh_accelerator")
SHAPE = GPT2Config(vocab_size=96, context_tokens=32, width=16, num_layers=2, num_heads=2)


def twin(hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(F.linear(hidden, weight).float(), labels, ignore_index=IGNORED_LABEL, reduction="sum")


def inputs(num_tokens: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(num_tokens)
    hidden = torch.randn(num_tokens, 24, generator=generator, dtype=dtype).requires_grad_()
    weight = torch.randn(50, 24, generator=generator, dtype=dtype).requires_grad_()
    labels = torch.randint(50, (num_tokens,), generator=generator)
    labels[::5] = IGNORED_LABEL
    return hidden, weight, labels


@pytest.mark.parametrize("num_tokens", [1, 7, 8, 9, 40])
def test_loss_and_gradients_are_those_of_all_logits(num_tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked_loss, "CHUNK_TOKENS", 8)
    mine, theirs = inputs(num_tokens), inputs(num_tokens)
    loss, expected = linear_cross_entropy(*mine), twin(*theirs)
    torch.testing.assert_close(loss, expected)
    (loss * 0.37).backward()
    (expected * 0.37).backward()
    for ours, other in zip(mine[:2], theirs[:2], strict=True):
        torch.testing.assert_close(ours.grad, other.grad, rtol=1e-5, atol=1e-6)


def test_its_gradient_is_the_derivative() -> None:
    """Against finite differences; in fp64 the fp32 sums inside leave eight digits out of sixteen."""
    hidden, weight, labels = inputs(6)
    moved = torch.randn(6, 24, generator=torch.Generator().manual_seed(3))
    linear_cross_entropy(hidden, weight, labels).backward()
    with torch.no_grad():
        up, down = (twin((hidden + sign * 1e-2 * moved), weight, labels) for sign in (1, -1))
    assert hidden.grad is not None
    assert (hidden.grad * moved).sum().item() == pytest.approx(((up - down) / 2e-2).item(), rel=1e-2)


def test_tokens_without_a_label_count_for_nothing() -> None:
    hidden, weight, labels = inputs(12)
    linear_cross_entropy(hidden, weight, torch.full_like(labels, IGNORED_LABEL)).backward()
    assert hidden.grad is not None
    assert not hidden.grad.any()
    assert linear_cross_entropy(hidden, weight, torch.full_like(labels, IGNORED_LABEL)).item() == 0.0


def test_where_nothing_is_learnt_no_gradient_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, weight, labels = inputs(12)
    expected = linear_cross_entropy(hidden, weight, labels)
    monkeypatch.setattr(torch, "zeros_like", lambda *_, **__: pytest.fail("made one"))
    with torch.no_grad():
        assert torch.equal(linear_cross_entropy(hidden, weight, labels), expected)


def start(network: nn.Module, **changes: object) -> Session:
    config = replace(FitConfig(max_steps=1, trackers=(), batch_rows=4), **changes)  # type: ignore[arg-type]
    return Session.start(network, config, Path())


def network() -> GPT2:
    torch.manual_seed(0)
    gpt2 = GPT2(SHAPE)
    with torch.no_grad():
        gpt2.wte.weight.mul_(20)  # the loss is then far from that of a guess
    return gpt2


def batch(*, segments: bool) -> dict[str, Tensor]:
    ids = torch.randint(96, (4, 33), generator=torch.Generator().manual_seed(1))
    labels = ids[:, 1:].clone()
    labels[:, ::4] = IGNORED_LABEL
    rows = {"ids": ids[:, :-1], "labels": labels}
    return {**rows, SEGMENTS: (torch.arange(32) // 12).expand(4, -1)} if segments else rows


@pytest.mark.parametrize("segments", [False, True])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 2e-2)])
def test_a_network_learns_the_same_by_it(precision: str, tolerance: float, segments: bool) -> None:
    session = start(network(), precision=precision)
    parameters = list(session.network.parameters())
    losses, gradients = [], []
    for loss_of in (summed_loss, whole_loss):
        loss = loss_of(session, batch(segments=segments))
        gradients.append(torch.autograd.grad(loss, parameters))
        losses.append(loss.detach())
    torch.testing.assert_close(losses[0], losses[1], rtol=tolerance, atol=0)
    for ours, theirs in zip(*gradients, strict=True):
        assert (ours - theirs).norm() <= tolerance * theirs.norm() + 1e-6


def test_it_is_used_for_a_gpt2_on_a_cpu_also_inside_another_module() -> None:
    assert isinstance(start(network()).chunkable, GPT2)
    tuned = start(PretrainedNetwork(network(), ()))
    assert isinstance(tuned.chunkable, GPT2)
    torch.testing.assert_close(
        summed_loss(tuned, batch(segments=False)), whole_loss(tuned, batch(segments=False)), rtol=2e-2, atol=0
    )


def test_any_other_network_gives_its_logits() -> None:
    class Other(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network()

        def forward(self, ids_BT: Tensor) -> Tensor:
            logits_BTV: Tensor = self.inner(ids_BT)
            return logits_BTV

    session = start(Other())
    assert session.chunkable is None
    rows = batch(segments=False)
    torch.testing.assert_close(summed_loss(session, rows), whole_loss(session, rows))


def test_a_table_that_does_not_learn_gets_no_gradient_and_changes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked_loss, "CHUNK_TOKENS", 8)
    (hidden, weight, labels), (same, table, _) = inputs(20), inputs(20)
    linear_cross_entropy(hidden, weight, labels).backward()
    linear_cross_entropy(same, table.requires_grad_(requires_grad=False), labels).backward()
    torch.testing.assert_close(same.grad, hidden.grad)
    assert table.grad is None
