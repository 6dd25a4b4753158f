from __future__ import annotations

import pytest
import torch

from lsp_server.engine.mixing import mixed
from lsp_server.recall.recollection import Expectation

LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0])


def slow(expectations: list[Expectation]) -> torch.Tensor:
    """In probabilities, one expectation after the other."""
    probs_V = LOGITS.softmax(0)
    for each in expectations:
        memory_V = torch.zeros(4)
        for token_id, share in each.shares.items():
            memory_V[token_id] = share
        probs_V = (1 - each.weight) * probs_V + each.weight * memory_V
    return probs_V


@pytest.mark.parametrize(
    "expectations",
    [
        [],
        [Expectation(weight=0.5, shares={3: 1.0})],
        [Expectation(weight=0.9, shares={3: 0.25, 1: 0.75}), Expectation(weight=0.3, shares={0: 0.5, 3: 0.5})],
    ],
    ids=["nothing known", "one", "the last one has the last word"],
)
def test_probabilities_are_mixed_in_turn(expectations: list[Expectation]) -> None:
    probs_V = mixed(LOGITS, expectations).exp()
    assert probs_V.sum() == pytest.approx(1.0)
    torch.testing.assert_close(probs_V, slow(expectations))


def test_logits_that_are_no_numbers_stay_so() -> None:
    assert not mixed(torch.full((4,), float("nan")), []).isfinite().any()
