"""Runs that learn, that stop and go on bit for bit, and that say what is wrong with a checkpoint."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState, GradientState
from safetensors.torch import load_file

from lsp_server.errors import CheckpointError
from lsp_server.model.tokenizer import CodeTokenizer
from trainer import loop
from trainer.checkpoint import latest_checkpoint, read_progress
from trainer.config import FitConfig, ModelConfig, PackingConfig, PromptConfig, Recipe
from trainer.dataset import Rows
from trainer.loop import fit
from trainer.packing import pack

MakeCorpus = Callable[..., Path]
TEXTS = [f"def function_{n}(value):\n    return value * {n} + 1\n" * 6 for n in range(16)]


@pytest.fixture(autouse=True)
def _fresh_accelerator(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """accelerate keeps one state for the process; each run gets a new one."""
    threads = torch.get_num_threads()
    monkeypatch.setattr("trainer.journal.plot_curves", lambda *_: None)  # tested by itself; a second a run
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    torch.set_num_threads(threads)


@pytest.fixture
def run_dir(make_corpus: MakeCorpus, code_tokenizer: CodeTokenizer, tmp_path: Path) -> Path:
    run = tmp_path / "run"
    (run / "tokenizer").mkdir(parents=True)
    code_tokenizer.save(run / "tokenizer" / "tokenizer.json")
    pack(
        make_corpus(TEXTS, ["value = 1\n" * 60]),
        run / "tokenizer" / "tokenizer.json",
        run / "packed",
        PackingConfig(),
    )
    return run


def recipe(**changes: Any) -> Recipe:
    """A run of 12 steps with dropout and filling in; `changes` are fit's."""
    values = {
        "batch_rows": 4,
        "row_tokens": 48,
        "max_steps": 12,
        "learning_rate": 5e-3,
        "checkpoint_steps": 5,
        "checkpoint_minutes": 0.0,
        "eval_steps": 0,
        "precision": "fp32",
        "threads": 1,
        **changes,
    }
    shape = ModelConfig(num_layers=2, num_heads=2, width=32, context_tokens=64, dropout=0.1)
    prompt = PromptConfig(suffix_tokens=8, new_tokens=8)
    return Recipe(run="tiny", seed=5, model=shape, prompt=prompt, fit=FitConfig(**values))


def other_run(run_dir: Path, name: str) -> Path:
    """A second run over the same packed tokens."""
    other = run_dir.with_name(name)
    other.mkdir()
    for stage in ("packed", "tokenizer"):
        (other / stage).symlink_to(run_dir / stage)
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


def test_a_run_learns(run_dir: Path) -> None:
    checkpoint = fit(recipe(max_steps=40, fim_rate=0.0), run_dir)

    progress, _ = read_progress(checkpoint)
    assert (progress.step, progress.tokens) == (40, 40 * 4 * 48)
    assert progress.smooth_loss < 5.2, "ln(320) = 5.77 is where it starts"
    assert next((run_dir / "curves").glob("events.*")).stat().st_size > 0


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_killed_run_goes_on_bit_for_bit(run_dir: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str) -> None:
    plan = recipe(optimizer=optimizer, accumulate=2, batch_rows=2)
    uninterrupted = fit(plan, run_dir)
    killed = other_run(run_dir, "killed")
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


def test_accumulated_batches_equal_one_large_batch(run_dir: Path) -> None:
    """Plain text only: with padding, the mean of two means is not the mean of all."""
    changes = {"fim_rate": 0.0, "max_steps": 3}
    plain = dataclasses.replace(recipe().model, dropout=0.0)
    large = fit(dataclasses.replace(recipe(batch_rows=8, **changes), model=plain), run_dir)
    small = fit(
        dataclasses.replace(recipe(batch_rows=4, accumulate=2, **changes), model=plain), other_run(run_dir, "small")
    )

    ours, theirs = weights(small), weights(large)
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-4, rtol=1e-3)


def test_a_finished_run_is_left_as_it_is(run_dir: Path) -> None:
    checkpoint = fit(recipe(), run_dir)
    written = (checkpoint / "progress.json").stat().st_mtime_ns

    assert fit(recipe(), run_dir) == checkpoint
    assert (checkpoint / "progress.json").stat().st_mtime_ns == written


def test_the_last_two_checkpoints_are_kept_and_leftovers_removed(run_dir: Path) -> None:
    leftover = run_dir / "checkpoints" / "partial-00000003"
    leftover.mkdir(parents=True)

    fit(recipe(checkpoint_steps=2), run_dir)

    assert sorted(path.name for path in (run_dir / "checkpoints").iterdir()) == ["step-00000010", "step-00000012"]


def test_a_resumed_run_follows_the_recipe_as_it_stands(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(recipe(max_steps=2), run_dir)
    seen: list[tuple[float, float]] = []
    real_step = loop._step

    def spying_step(run: Any, feed: Any) -> None:
        real_step(run, feed)
        seen.append(tuple(run.session.optimizers[0].param_groups[0][key] for key in ("lr", "weight_decay")))

    monkeypatch.setattr(loop, "_step", spying_step)
    fit(recipe(max_steps=4, learning_rate=1e-4, weight_decay=0.3, decay_share=0.0), run_dir)

    assert seen == [(1e-4, 0.3)] * 2


def test_a_resumed_run_with_other_accumulation_goes_on_with_the_next_rows(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(recipe(max_steps=3), run_dir)
    seen: list[int] = []
    real_getitem = Rows.__getitem__

    def spying_getitem(rows: Rows, number: int) -> dict[str, torch.Tensor]:
        seen.append(number)
        return real_getitem(rows, number)

    monkeypatch.setattr(Rows, "__getitem__", spying_getitem)
    fit(recipe(max_steps=5, accumulate=2), run_dir)

    assert seen == list(range(12, 12 + 2 * 2 * 4))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_behind_the_running_step(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
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
            fit(recipe(), run_dir)

    saved = latest_checkpoint(run_dir / "checkpoints")
    assert saved is not None
    assert read_progress(saved)[0].step == 3
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    assert_same_weights(fit(recipe(), run_dir), fit(recipe(), other_run(run_dir, "uninterrupted")))


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
def test_a_checkpoint_of_another_run_is_refused(run_dir: Path, change: Callable[[Recipe], Recipe]) -> None:
    fit(recipe(max_steps=1), run_dir)

    with pytest.raises(CheckpointError, match="put the recipe back, or start in a new run folder"):
        fit(change(recipe(max_steps=2)), run_dir)


def test_a_checkpoint_of_another_corpus_is_refused(run_dir: Path, make_corpus: MakeCorpus) -> None:
    fit(recipe(max_steps=1), run_dir)
    pack(
        make_corpus([text + "more = 1\n" for text in TEXTS]),
        run_dir / "tokenizer" / "tokenizer.json",
        run_dir / "packed",
        PackingConfig(),
    )

    with pytest.raises(
        CheckpointError, match="packed tokens [0-9a-f]{12}, and these are [0-9a-f]{12}: put the corpus back"
    ):
        fit(recipe(max_steps=2), run_dir)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.bin", "random_states_0.pkl", "progress.json"])
def test_a_damaged_checkpoint_is_named(run_dir: Path, name: str) -> None:
    checkpoint = fit(recipe(max_steps=1), run_dir)
    content = (checkpoint / name).read_bytes()
    (checkpoint / name).write_bytes(content[: len(content) // 2])

    with pytest.raises(CheckpointError) as error:
        fit(recipe(max_steps=2), run_dir)

    assert str(checkpoint) in str(error.value)
    assert "delete" in str(error.value)
    assert "\n" not in str(error.value)


FULL_DISK = """
import resource, sys
from pathlib import Path
from lsp_server.errors import CheckpointError
from trainer.dataset import Rows
from trainer.loop import fit
from trainer.recipe import parse_recipe
import json
recipe, run_dir = parse_recipe(json.loads(sys.argv[1])), Path(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    fit(recipe, run_dir)
except CheckpointError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits on file sizes are POSIX")
@pytest.mark.timeout(300)
def test_a_full_disk_keeps_the_old_checkpoint_and_leaves_no_part(run_dir: Path) -> None:
    old = fit(recipe(max_steps=2), run_dir)
    content = {path.name: path.read_bytes() for path in old.iterdir() if path.is_file()}
    plan = json.dumps(dataclasses.asdict(recipe(max_steps=4)))
    environment = {**os.environ, "PYTHONPATH": str(Path(loop.__file__).parents[1])}

    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, plan, str(run_dir)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=240,
    )

    assert "step-00000004 was not written" in run.stdout, run.stderr
    assert "free disk space, then resume" in run.stdout
    assert [path.name for path in (run_dir / "checkpoints").iterdir()] == [old.name]
    assert {path.name: path.read_bytes() for path in old.iterdir() if path.is_file()} == content
    assert fit(recipe(max_steps=4), run_dir).name == "step-00000004"


ONE_PROCESS = """
import json, sys
from pathlib import Path
from trainer.loop import fit
from trainer.recipe import parse_recipe
fit(parse_recipe(json.loads(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_processes_with_half_the_rows_each_equal_one(run_dir: Path) -> None:
    changes = {"fim_rate": 0.0, "max_steps": 3, "checkpoint_steps": 2}
    plain = dataclasses.replace(recipe().model, dropout=0.0)
    alone = fit(dataclasses.replace(recipe(batch_rows=4, **changes), model=plain), run_dir)
    shared = other_run(run_dir, "shared")
    plan = json.dumps(dataclasses.asdict(dataclasses.replace(recipe(batch_rows=2, **changes), model=plain)))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(loop.__file__).parents[1]),
        "ACCELERATE_USE_CPU": "true",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
    }

    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_PROCESS, plan, str(shared)],
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=240)[0] for process in processes]

    assert [process.returncode for process in processes] == [0, 0], outputs
    together = latest_checkpoint(shared / "checkpoints")
    assert together is not None
    assert read_progress(together)[0].tokens == read_progress(alone)[0].tokens
    ours, theirs = weights(together), weights(alone)
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-4, rtol=1e-3)
