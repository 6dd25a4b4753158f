"""Runs that learn, that stop and go on bit for bit, and that say what is wrong with a checkpoint."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from lsp_server.errors import CheckpointError, DivergenceError
from trainer.config import PackingConfig, Recipe
from trainer.dataset import PackedRows
from trainer.fit import loop
from trainer.fit.averaging import WeightAverage
from trainer.fit.checkpoint import Progress, latest_checkpoint, read_progress, weights_to_export
from trainer.fit.feed import Batch
from trainer.fit.heldout import HeldOut, HeldOutLoss
from trainer.fit.loop import fit
from trainer.fit.session import Session
from trainer.fit.steps import StepResult
from trainer.packing import pack

MakeCorpus = Callable[..., Path]
MakeRecipe = Callable[..., Recipe]


pytestmark = pytest.mark.usefixtures("fresh_accelerator")


def other_run(packed_run: Path, name: str) -> Path:
    """A second run over the same packed tokens."""
    other = packed_run.with_name(name)
    other.mkdir()
    for stage in ("packed", "tokenizer"):
        (other / stage).symlink_to(packed_run / stage)
    return other


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoint / "model.safetensors")


def assert_same_weights(left: Path, right: Path) -> None:
    ours, theirs = weights(left), weights(right)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


class Killed(BaseException):
    """Ends a run as a kill would: nothing that catches errors sees it."""


def kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """The run dies in the middle of the step behind `step`."""
    real_step = loop._step

    def dying_step(run: Any, feed: Any) -> None:
        if run.progress.step == step:
            raise Killed
        real_step(run, feed)

    monkeypatch.setattr(loop, "_step", dying_step)


def test_a_run_learns(packed_run: Path, tiny_recipe: MakeRecipe) -> None:
    checkpoint = fit(tiny_recipe(max_steps=40, fim_rate=0.0), packed_run)

    progress, _ = read_progress(checkpoint)
    assert (progress.step, progress.tokens) == (40, 40 * 4 * 48)
    assert progress.smooth_loss < 5.2, "ln(320) = 5.77 is where it starts"
    assert next((packed_run / "curves").glob("events.*")).stat().st_size > 0


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_killed_run_goes_on_bit_for_bit(
    packed_run: Path, tiny_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    plan = tiny_recipe(optimizer=optimizer, accumulate=2, batch_rows=2)
    uninterrupted = fit(plan, packed_run)
    killed = other_run(packed_run, "killed")
    with monkeypatch.context() as patch:
        kill_at(patch, step=8)
        with pytest.raises(Killed):
            fit(plan, killed)
    left = latest_checkpoint(killed / "checkpoints")
    assert left is not None
    assert left.name == "step-00000005"

    resumed = fit(plan, killed)

    assert resumed.name == uninterrupted.name == "step-00000012"
    assert_same_weights(resumed, uninterrupted)


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


def test_a_finished_run_is_left_as_it_is(packed_run: Path, tiny_recipe: MakeRecipe) -> None:
    checkpoint = fit(tiny_recipe(), packed_run)
    written = (checkpoint / "progress.json").stat().st_mtime_ns

    assert fit(tiny_recipe(), packed_run) == checkpoint
    assert (checkpoint / "progress.json").stat().st_mtime_ns == written


def test_the_last_two_checkpoints_are_kept_and_leftovers_removed(packed_run: Path, tiny_recipe: MakeRecipe) -> None:
    leftover = packed_run / "checkpoints" / "partial-00000003"
    leftover.mkdir(parents=True)

    fit(tiny_recipe(checkpoint_steps=2), packed_run)

    assert sorted(path.name for path in (packed_run / "checkpoints").iterdir()) == ["step-00000010", "step-00000012"]


def test_a_resumed_run_follows_the_recipe_as_it_stands(
    packed_run: Path, tiny_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(tiny_recipe(max_steps=2), packed_run)
    seen: list[tuple[float, float]] = []
    real_step = loop._step

    def spying_step(run: Any, feed: Any) -> None:
        real_step(run, feed)
        seen.append(tuple(run.session.optimizers[0].param_groups[0][key] for key in ("lr", "weight_decay")))

    monkeypatch.setattr(loop, "_step", spying_step)
    fit(tiny_recipe(max_steps=4, learning_rate=1e-4, weight_decay=0.3, decay_share=0.0), packed_run)

    assert seen == [(1e-4, 0.3)] * 2


def test_a_resumed_run_with_other_accumulation_goes_on_with_the_next_rows(
    packed_run: Path, tiny_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(tiny_recipe(max_steps=3), packed_run)
    seen: list[int] = []
    real_getitem = PackedRows.__getitem__

    def spying_getitem(rows: PackedRows, number: int) -> dict[str, torch.Tensor]:
        seen.append(number)
        return real_getitem(rows, number)

    monkeypatch.setattr(PackedRows, "__getitem__", spying_getitem)
    fit(tiny_recipe(max_steps=5, accumulate=2), packed_run)

    assert seen == list(range(12, 12 + 2 * 2 * 4))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_behind_the_running_step(
    packed_run: Path, tiny_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    real_step = loop._step
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    def interrupted_step(run: Any, feed: Any) -> None:
        if run.progress.step == 2:
            signal.raise_signal(number)
        real_step(run, feed)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_step", interrupted_step)
        with pytest.raises(KeyboardInterrupt):
            fit(tiny_recipe(), packed_run)

    saved = latest_checkpoint(packed_run / "checkpoints")
    assert saved is not None
    assert read_progress(saved)[0].step == 3
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    assert_same_weights(fit(tiny_recipe(), packed_run), fit(tiny_recipe(), other_run(packed_run, "uninterrupted")))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda it: dataclasses.replace(it, seed=6), id="another seed"),
        pytest.param(
            lambda it: dataclasses.replace(it, model=dataclasses.replace(it.model, num_layers=3)), id="another shape"
        ),
        pytest.param(
            lambda it: dataclasses.replace(it, fit=dataclasses.replace(it.fit, row_tokens=32)), id="other rows"
        ),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(
    packed_run: Path, tiny_recipe: MakeRecipe, change: Callable[[Recipe], Recipe]
) -> None:
    fit(tiny_recipe(max_steps=1), packed_run)

    with pytest.raises(CheckpointError, match="put the recipe back, or start in a new run folder"):
        fit(change(tiny_recipe(max_steps=2)), packed_run)


def test_a_checkpoint_of_another_corpus_is_refused(
    packed_run: Path, tiny_recipe: MakeRecipe, make_corpus: MakeCorpus
) -> None:
    fit(tiny_recipe(max_steps=1), packed_run)
    pack(
        make_corpus(["value = 2\n" * 200]),
        packed_run / "tokenizer" / "tokenizer.json",
        packed_run / "packed",
        PackingConfig(),
    )

    with pytest.raises(
        CheckpointError, match=r"packed tokens [0-9a-f]{12}, and these are [0-9a-f]{12}: put the corpus back"
    ):
        fit(tiny_recipe(max_steps=2), packed_run)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.bin", "random_states_0.pkl", "progress.json"])
def test_a_damaged_checkpoint_is_named(packed_run: Path, tiny_recipe: MakeRecipe, name: str) -> None:
    checkpoint = fit(tiny_recipe(max_steps=1), packed_run)
    content = (checkpoint / name).read_bytes()
    (checkpoint / name).write_bytes(content[: len(content) // 2])

    with pytest.raises(CheckpointError) as error:
        fit(tiny_recipe(max_steps=2), packed_run)

    assert str(checkpoint) in str(error.value)
    assert "delete" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(sys.platform == "win32", reason="limits on file sizes are POSIX")
def test_a_full_disk_keeps_the_old_checkpoint_and_leaves_no_part(packed_run: Path, tiny_recipe: MakeRecipe) -> None:
    import resource

    old = fit(tiny_recipe(max_steps=2), packed_run)
    content = {path.name: path.read_bytes() for path in old.iterdir() if path.is_file()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
    try:
        with pytest.raises(CheckpointError, match=r"step-00000004 was not written .* free disk space, then resume"):
            fit(tiny_recipe(max_steps=4), packed_run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert [path.name for path in (packed_run / "checkpoints").iterdir()] == [old.name]
    assert {path.name: path.read_bytes() for path in old.iterdir() if path.is_file()} == content
    assert fit(tiny_recipe(max_steps=4), packed_run).name == "step-00000004"


EVERYTHING = {
    "optimizer": "muon",
    "accumulate": 2,
    "batch_rows": 2,
    "batch_warmup_share": 0.5,
    "length_warmup_share": 0.7,
    "ema_decay": 0.9,
    "ema_from": 0.2,
    "eval_steps": 3,
    "samples": 2,
    "export": "average",
}
"""All that draws numbers or carries state from step to step."""

KILLED = """
import json, os, signal, sys
from pathlib import Path
from trainer.fit import loop
from trainer.recipe import parse_recipe
steps_to_live, real_step = iter(range(int(sys.argv[3]))), loop.take_step
def dying_step(*arguments):
    if next(steps_to_live, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return real_step(*arguments)
loop.take_step = dying_step
loop.fit(parse_recipe(json.loads(sys.argv[1])), Path(sys.argv[2]))
"""


def tensors(checkpoint: Path, name: str) -> dict[str, torch.Tensor]:
    return load_file(checkpoint / name)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_a_run_killed_with_9_at_a_random_step_goes_on_bit_for_bit(packed_run: Path, tiny_recipe: MakeRecipe) -> None:
    plan = tiny_recipe(**EVERYTHING)
    uninterrupted = fit(plan, packed_run)
    killed = other_run(packed_run, "killed")
    steps = random.Random(9).randrange(6, 12)
    environment = {**os.environ, "PYTHONPATH": str(Path(loop.__file__).parents[2])}

    died = subprocess.run(
        [sys.executable, "-c", KILLED, json.dumps(dataclasses.asdict(plan)), str(killed), str(steps)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=100,
    )

    assert died.returncode == -signal.SIGKILL, died.stderr
    left = latest_checkpoint(killed / "checkpoints")
    assert left is not None
    assert left.name < "step-00000012"
    resumed = fit(plan, killed)
    assert resumed.name == uninterrupted.name
    for name in ("model.safetensors", "average.safetensors"):
        ours, theirs = tensors(resumed, name), tensors(uninterrupted, name)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs), name
    ours, theirs = (read_progress(checkpoint)[0] for checkpoint in (resumed, uninterrupted))
    assert dataclasses.replace(ours, seconds=0.0) == dataclasses.replace(theirs, seconds=0.0)
    assert curves(killed, "loss") == curves(packed_run, "loss"), "each step is told of once"


def test_a_run_killed_while_it_writes_goes_on_from_the_checkpoint_before(
    packed_run: Path, tiny_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = tiny_recipe(ema_decay=0.9, ema_from=0.0)
    uninterrupted = fit(plan, packed_run)
    killed = other_run(packed_run, "killed")

    real_save = WeightAverage.save

    def dying_save(average: WeightAverage, folder: Path) -> None:
        real_save(average, folder)
        if "00000010" in folder.name:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(WeightAverage, "save", dying_save)
        with pytest.raises(Killed):
            fit(plan, killed)
    assert sorted(path.name for path in (killed / "checkpoints").iterdir()) == ["partial-00000010", "step-00000005"]

    assert_same_weights(fit(plan, killed), uninterrupted)
    assert not list((killed / "checkpoints").glob("partial-*"))


def curves(run_dir: Path, name: str) -> list[tuple[int, float]]:
    """Step and value of every entry that has it."""
    entries = [json.loads(line) for line in (run_dir / "curves.jsonl").read_text().splitlines()]
    return [(entry["step"], entry[name]) for entry in entries if name in entry]


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


def test_a_checkpoint_of_another_version_is_refused(packed_run: Path, tiny_recipe: MakeRecipe) -> None:
    progress = fit(tiny_recipe(max_steps=1), packed_run) / "progress.json"
    progress.write_text(json.dumps({**json.loads(progress.read_text()), "format_version": 99}))

    with pytest.raises(CheckpointError, match="has format 99, this trainer reads 2: start in a new run folder"):
        fit(tiny_recipe(max_steps=2), packed_run)


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
