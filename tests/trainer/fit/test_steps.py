"""One optimizer step: the same whatever it is cut into, and smaller passes where the memory is short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lsp_server.errors import RecipeError
from lsp_server.model.gpt2 import GPT2, GPT2Config
from trainer.fit.config import FitConfig
from trainer.fit.feed import Batch
from trainer.fit.session import Session
from trainer.fit.steps import IGNORED_LABEL, StepResult, take_step

pytestmark = pytest.mark.usefixtures("fresh_accelerator")
SHAPE = GPT2Config(vocab_size=64, context_tokens=16, width=16, num_layers=2, num_heads=2)
ROWS = 8


def network() -> GPT2:
    torch.manual_seed(0)
    return GPT2(SHAPE)


def start(module: nn.Module, rows_at_once: int, **changes: Any) -> Session:
    config = FitConfig(**{"max_steps": 1, "precision": "fp32", "trackers": (), "batch_rows": rows_at_once, **changes})
    return Session.start(module, config, Path())


def batch(labelled: list[int]) -> Batch:
    """Rows of 16 tokens, of which the first `labelled` are labelled."""
    ids = torch.randint(64, (len(labelled), 17), generator=torch.Generator().manual_seed(1))
    labels = ids[:, 1:].clone()
    for row, count in enumerate(labelled):
        labels[row, count:] = IGNORED_LABEL
    return {"ids": ids[:, :-1], "labels": labels}


def step(rows: Batch, rows_at_once: int, **changes: Any) -> tuple[StepResult, torch.Tensor]:
    session = start(network(), rows_at_once, **changes)
    result = take_step(session, rows)
    return result, torch.cat([parameter.flatten() for parameter in session.network.parameters()]).detach()


@settings(max_examples=8, deadline=None)
@given(
    labelled=st.lists(st.integers(0, 16), min_size=ROWS, max_size=ROWS).filter(any),
    rows_at_once=st.integers(1, ROWS - 1),
)
def test_passes_of_unequal_token_counts_equal_one_large_batch(labelled: list[int], rows_at_once: int) -> None:
    rows = batch(labelled)

    whole, _ = step(rows, ROWS)
    cut, _ = step(rows, rows_at_once)

    torch.testing.assert_close(cut.loss, whole.loss, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(cut.gradient_norm, whole.gradient_norm, rtol=1e-4, atol=1e-6)


def test_a_row_with_few_labels_weighs_no_more_than_its_tokens() -> None:
    """What the mean of the passes' means gets wrong."""
    result, _ = step(batch([16, 1]), rows_at_once=1)

    with torch.no_grad():
        rows = batch([16, 1])
        losses = nn.functional.cross_entropy(network()(rows["ids"]).flatten(0, 1), rows["labels"].flatten())
    torch.testing.assert_close(result.loss, losses)


class Small(nn.Module):
    """A network on a device that holds only so many rows."""

    def __init__(self, inner: nn.Module, most_rows: int) -> None:
        super().__init__()
        self.inner, self.most_rows = inner, most_rows

    def forward(self, ids_BT: torch.Tensor) -> torch.Tensor:
        if len(ids_BT) > self.most_rows:
            raise torch.OutOfMemoryError(f"{len(ids_BT)} rows")
        return self.inner(ids_BT)


def test_out_of_memory_halves_the_rows_at_once_and_changes_no_gradient(capsys: pytest.CaptureFixture[str]) -> None:
    rows = batch([16, 3, 9, 16, 1, 16, 12, 5])
    whole, _ = step(rows, ROWS)
    session = start(Small(network(), most_rows=4), ROWS)

    first = take_step(session, rows)
    take_step(session, rows)

    assert session.rows_at_once == 4
    torch.testing.assert_close(first.loss, whole.loss)
    torch.testing.assert_close(first.gradient_norm, whole.gradient_norm, rtol=1e-4, atol=1e-6)
    assert capsys.readouterr().out.count("out of memory with 8 rows at once: from here on 4") == 1


def test_a_row_that_does_not_fit_is_told_with_the_remedy() -> None:
    with pytest.raises(RecipeError, match="not even one row fits the memory: lower it, set fit"):
        take_step(start(Small(network(), most_rows=0), 2), batch([16, 16]))


def test_shorter_rows_see_only_their_own_part() -> None:
    session = start(network(), 1)
    seen: list[torch.Size] = []
    session.plain_network.get_submodule("wte").register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))

    take_step(session, batch([16, 16]), parts=4)

    assert seen == [torch.Size([4, 4])] * 2, "four quarters of a row at once take the memory of one row"


def test_recomputed_blocks_change_nothing_dropout_included() -> None:
    def after(**changes: Any) -> torch.Tensor:
        torch.manual_seed(0)
        session = start(GPT2(GPT2Config(**{**vars_of(SHAPE), "dropout": 0.2})), ROWS, **changes)
        torch.manual_seed(3)
        take_step(session, batch([16] * ROWS))
        return torch.cat([parameter.flatten() for parameter in session.network.parameters()]).detach()

    assert torch.equal(after(recompute=True), after())


def vars_of(shape: GPT2Config) -> dict[str, Any]:
    return {name: getattr(shape, name) for name in shape.__dataclass_fields__}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"precision": "fp16"}, "which only a GPU trains in", id="fp16 on a CPU"),
        pytest.param({"trackers": ("wandb",)}, "not installed: pip install wandb", id="wandb that is not there"),
    ],
)
def test_what_this_machine_cannot_do_is_told(
    changes: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)

    with pytest.raises(RecipeError, match=message):
        start(network(), 1, **changes)
