"""Runs that are stopped or killed and go on bit for bit, and checkpoints that say what is wrong with them."""

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
from training_runs import assert_same_weights, curves, other_run

from lsp_server.errors import CheckpointError
from trainer.config import PackingConfig, Recipe
from trainer.dataset import PackedRows
from trainer.fit import loop
from trainer.fit.averaging import WeightAverage
from trainer.fit.checkpoint import latest_checkpoint, read_progress
from trainer.fit.loop import fit
from trainer.packing import pack

MakeCorpus = Callable[..., Path]
MakeRecipe = Callable[..., Recipe]

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


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


def test_a_checkpoint_of_another_version_is_refused(packed_run: Path, tiny_recipe: MakeRecipe) -> None:
    progress = fit(tiny_recipe(max_steps=1), packed_run) / "progress.json"
    progress.write_text(json.dumps({**json.loads(progress.read_text()), "format_version": 99}))

    with pytest.raises(CheckpointError, match="has format 99, this trainer reads 2: start in a new run folder"):
        fit(tiny_recipe(max_steps=2), packed_run)
