"""Runs that learn, and what they keep, tell and stop at."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from training_runs import curves, other_run, weights

from lsp_server.errors import DivergenceError
from trainer.config import Recipe
from trainer.fit import loop
from trainer.fit.checkpoint import Progress, read_progress, weights_to_export
from trainer.fit.feed import Batch
from trainer.fit.heldout import HeldOut, HeldOutLoss
from trainer.fit.loop import fit
from trainer.fit.session import Session
from trainer.fit.steps import StepResult

MakeCorpus = Callable[..., Path]
MakeRecipe = Callable[..., Recipe]

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


def test_a_run_learns(packed_run: Path, tiny_recipe: MakeRecipe) -> None:
    checkpoint = fit(tiny_recipe(max_steps=40, fim_rate=0.0), packed_run)

    progress, _ = read_progress(checkpoint)
    assert (progress.step, progress.tokens) == (40, 40 * 4 * 48)
    assert progress.smooth_loss < 5.2, "ln(320) = 5.77 is where it starts"
    assert next((packed_run / "curves").glob("events.*")).stat().st_size > 0


def test_accumulated_batches_equal_one_large_batch(packed_run: Path, tiny_recipe: MakeRecipe) -> None:
    """Plain text only: with padding, the mean of two means is not the mean of all."""
    changes = {"fim_rate": 0.0, "max_steps": 3}
    plain = dataclasses.replace(tiny_recipe().model, dropout=0.0)
    large = fit(dataclasses.replace(tiny_recipe(batch_rows=8, **changes), model=plain), packed_run)
    small = fit(
        dataclasses.replace(tiny_recipe(batch_rows=4, accumulate=2, **changes), model=plain),
        other_run(packed_run, "small"),
    )

    ours, theirs = weights(small), weights(large)
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-4, rtol=1e-3)


def test_the_best_checkpoint_is_kept_and_exported(
    packed_run: Path, tiny_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([3.0, 2.0, 4.0, 5.0, 6.0, 7.0])
    monkeypatch.setattr(HeldOut, "score", lambda *_: HeldOutLoss(nats=next(losses), bits_per_byte=1.0))
    plan = tiny_recipe(eval_steps=2, checkpoint_steps=2, keep=1, export="best")

    fit(plan, packed_run)

    kept = sorted(path.name for path in (packed_run / "checkpoints").iterdir())
    assert kept == ["step-00000004", "step-00000012"]
    assert weights_to_export(packed_run / "checkpoints", plan.fit)[0].name == "step-00000004"
    last = dataclasses.replace(plan.fit, export="last")
    assert weights_to_export(packed_run / "checkpoints", last)[0].name == "step-00000012"


def test_rows_follow_each_other_while_the_batch_grows(
    packed_run: Path, tiny_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    real_step = loop.take_step

    def spying_step(session: Session, batch: Batch, parts: int) -> StepResult:
        taken.append(len(batch["ids"]))
        return real_step(session, batch, parts)

    monkeypatch.setattr(loop, "take_step", spying_step)
    checkpoint = fit(tiny_recipe(batch_rows=8, batch_warmup_share=0.5), packed_run)

    assert taken == [1, 2, 3, 4, 6, 7] + [8] * 6  # an eighth of 8 at first, a sixth of the rest more each step
    assert read_progress(checkpoint)[0].rows == sum(taken)


class NanAfter(nn.Module):
    """Bigrams, and no number from the given call on."""

    def __init__(self, vocab_size: int, calls: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocab_size, vocab_size)
        self.calls = calls

    def forward(self, ids_BT: torch.Tensor) -> torch.Tensor:
        self.calls -= self.training
        return self.table(ids_BT) * (1.0 if self.calls >= 0 else float("nan"))


def test_any_network_with_ids_in_and_logits_out_trains(packed_run: Path, tiny_recipe: MakeRecipe) -> None:
    checkpoint = fit(
        tiny_recipe(max_steps=30, learning_rate=0.1, samples=2),
        packed_run,
        build=lambda _, vocab_size: NanAfter(vocab_size, calls=1000),
    )

    assert read_progress(checkpoint)[0].smooth_loss < 6.0
    assert len((packed_run / "samples.jsonl").read_text().splitlines()) == 2


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_last_good_checkpoint(
    packed_run: Path, tiny_recipe: MakeRecipe
) -> None:
    with pytest.raises(DivergenceError) as caught:
        fit(tiny_recipe(), packed_run, build=lambda _, vocab_size: NanAfter(vocab_size, calls=7))

    good = packed_run / "checkpoints" / "step-00000005"
    assert f"the loss of step 8 is nan; {good} is the last good checkpoint: lower fit.learning_rate" in str(
        caught.value
    )
    assert [path.name for path in (packed_run / "checkpoints").iterdir()] == [good.name]
    assert "nan" not in (good / "progress.json").read_text().lower()


def test_a_checkpoint_that_is_due_waits_while_the_loss_is_far_above_its_lowest(
    packed_run: Path, tiny_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(progress: Progress, *_: Any, **__: Any) -> None:
        progress.steps_above = 1 if 4 <= progress.step <= 6 else 0

    monkeypatch.setattr(loop, "judge_step", judge)
    fit(tiny_recipe(max_steps=8, keep=9), packed_run)

    assert sorted(path.name for path in (packed_run / "checkpoints").iterdir()) == ["step-00000007", "step-00000008"]


def test_a_run_tells_of_every_step_and_look(packed_run: Path, tiny_recipe: MakeRecipe) -> None:
    fit(tiny_recipe(eval_steps=6, samples=3), packed_run)

    assert [step for step, _ in curves(packed_run, "loss")] == list(range(1, 13))
    assert [step for step, _ in curves(packed_run, "heldout_bits_per_byte")] == [6, 12]
    samples = [json.loads(line) for line in (packed_run / "samples.jsonl").read_text().splitlines()]
    assert [sample["step"] for sample in samples] == [6] * 3 + [12] * 3
    assert [bool(sample["suffix"]) for sample in samples[:3]] == [False, True, False]
    events = next((packed_run / "curves").glob("events.*")).read_bytes()
    assert b"heldout_loss" in events
    assert b"proposed" in events


def test_a_longer_run_tells_its_use_of_the_machine(
    packed_run: Path, tiny_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.fit.journal.SECONDS_BEFORE_PEAK", -1)
    monkeypatch.setattr("trainer.fit.journal.matmul_peak", lambda *_: 1e9)
    monkeypatch.setattr("trainer.fit.journal.flops_per_token", lambda *_: 1e3)

    fit(tiny_recipe(max_steps=3), packed_run)

    rates = curves(packed_run, "tokens_per_second")
    assert curves(packed_run, "mfu") == [(step, pytest.approx(rate / 1e6)) for step, rate in rates]


def test_compile_is_asked_for_once(packed_run: Path, tiny_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    monkeypatch.setattr(nn.Module, "compile", lambda network: compiled.append(type(network).__name__))

    fit(tiny_recipe(max_steps=1, compile=True), packed_run)

    assert compiled == ["GPT2"]
