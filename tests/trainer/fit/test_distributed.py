"""Several processes on this machine's CPU, over gloo, against one process.

Tolerances: sums come in another order, so weights after 6 steps of AdamW may differ by 1e-4; the losses by 1e-3 nats.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from trainer.config import Recipe
from trainer.fit import loop
from trainer.fit.checkpoint import latest_checkpoint, read_progress
from trainer.recipe_file import to_toml

pytestmark = [
    pytest.mark.usefixtures("fresh_accelerator"),
    pytest.mark.slow,
    pytest.mark.timeout(300),
]
MakeRecipe = Callable[..., Recipe]


def plan(tiny_recipe: MakeRecipe, batch_rows: int) -> Recipe:
    """With filling in, rows have unequal numbers of labels, and the two processes with them; without dropout."""
    recipe = tiny_recipe(
        batch_rows=batch_rows,
        accumulate=2,
        max_steps=6,
        eval_steps=3,
        samples=1,
    )
    return dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, dropout=0.0))


def shared_run(packed_run: Path, recipe: Recipe) -> Path:
    run = packed_run.with_name("shared")
    run.mkdir()
    for stage in ("packed", "tokenizer"):
        (run / stage).symlink_to(packed_run / stage)
    (run / "recipe.toml").write_text(to_toml(recipe))
    return run


def environment(**more: str) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(Path(loop.__file__).parents[2]),
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
        **more,
    }


def run_all(commands: Sequence[Sequence[str]], environments: Sequence[Mapping[str, str]]) -> list[str]:
    processes = [
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for command, env in zip(commands, environments, strict=True)
    ]
    try:
        outputs = [process.communicate(timeout=120)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * len(processes), outputs
    return outputs


def losses(run_dir: Path, name: str) -> list[float]:
    entries = [json.loads(line) for line in (run_dir / "curves.jsonl").read_text().splitlines()]
    return [entry[name] for entry in entries if name in entry]


def assert_equal_but_for_rounding(shared: Path, alone: Path) -> None:
    for name in ("loss", "gradient_norm"):
        torch.testing.assert_close(losses(shared, name), losses(alone, name), atol=1e-3, rtol=0.0)
    torch.testing.assert_close(
        losses(shared, "heldout_loss")[-1], losses(alone, "heldout_loss")[-1], atol=1e-3, rtol=0.0
    )
    ours, theirs = (latest_checkpoint(run / "checkpoints") for run in (shared, alone))
    assert ours is not None
    assert theirs is not None
    assert read_progress(ours)[0].rows == read_progress(theirs)[0].rows
    weights, expected = (load_file(checkpoint / "model.safetensors") for checkpoint in (ours, theirs))
    assert weights.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(weights[name], expected[name], atol=1e-4, rtol=1e-3)


def test_accelerate_launch_with_two_processes_equals_one(packed_run: Path, tiny_recipe: MakeRecipe) -> None:
    loop.fit(plan(tiny_recipe, batch_rows=4), packed_run)
    shared = shared_run(packed_run, plan(tiny_recipe, batch_rows=2))
    launch = ["--multi_gpu", "--num_processes=2", "--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]
    command = ["-m", "accelerate.commands.launch", *launch, "--main_process_port=0", "--module", "trainer.cli"]

    (output,) = run_all([[sys.executable, *command, "fit", "--run", str(shared)]], [environment()])

    assert output.count("fit: checkpoint") == 1, "one process reports"
    assert_equal_but_for_rounding(shared, packed_run)


SHARDED = """
import sys
from accelerate.state import PartialState
from accelerate.utils import DistributedType
PartialState(cpu=True)
PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU  # accelerate shards nothing on CPUs
from trainer.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_sharded_weights_learn_the_same(packed_run: Path, tiny_recipe: MakeRecipe) -> None:
    """FSDP2. Accelerate does it on GPUs only, so the processes are told that these are some."""
    loop.fit(plan(tiny_recipe, batch_rows=4), packed_run)
    recipe = plan(tiny_recipe, batch_rows=2)
    shared = shared_run(packed_run, recipe)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    common = environment(
        ACCELERATE_USE_FSDP="true",
        FSDP_VERSION="2",
        FSDP_AUTO_WRAP_POLICY="TRANSFORMER_BASED_WRAP",
        FSDP_TRANSFORMER_CLS_TO_WRAP="Block",
        FSDP_STATE_DICT_TYPE="SHARDED_STATE_DICT",
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        WORLD_SIZE="2",
    )
    environments = [{**common, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
    run_all([[sys.executable, "-c", SHARDED, "fit", "--run", str(shared)]] * 2, environments)

    last = latest_checkpoint(shared / "checkpoints")
    assert last is not None
    assert (last / "pytorch_model_fsdp_0").is_dir(), "the weights were sharded"
    assert_equal_but_for_rounding(shared, packed_run)
