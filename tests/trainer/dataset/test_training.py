"""The loop trains on every kind of rows, and a run that was stopped goes on bit for bit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lsp_server.errors import CheckpointError
from trainer.config import Recipe
from trainer.dataset_config import DatasetConfig
from trainer.fit import loop
from trainer.fit.loop import fit
from trainer.fit.steps import StepResult

MakeRecipe = Callable[..., Recipe]


pytestmark = pytest.mark.usefixtures("fresh_accelerator")


@pytest.fixture
def run_dir(packed_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(tmp_path / "corpus", packed_run / "corpus")
    return packed_run


@pytest.mark.parametrize(
    "dataset",
    [
        pytest.param({"mode": "stream", "block_rows": 5}, id="a stream, stopped inside a block"),
        pytest.param({"document_mask": True}, id="documents kept apart"),
        pytest.param({"mode": "strided", "stride": 7}, id="overlapping windows"),
        pytest.param({"mode": "chunks"}, id="chunks"),
    ],
)
def test_a_resumed_run_has_the_weights_of_one_that_was_never_stopped(
    run_dir: Path, tiny_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch, dataset: dict[str, Any]
) -> None:
    """Killed at its eighth step; its checkpoint is of the fifth."""
    plan = replace(tiny_recipe(max_steps=10, row_tokens=32, fim_rate=0.7), dataset=DatasetConfig(**dataset))
    killed = run_dir.with_name("killed")
    shutil.copytree(run_dir, killed)
    uninterrupted = fit(plan, run_dir)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "take_step", dying_at_the_eighth_step())
        with pytest.raises(Killed):
            fit(plan, killed)

    resumed = fit(plan, killed)

    ours, theirs = (load_file(checkpoint / "model.safetensors") for checkpoint in (resumed, uninterrupted))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


class Killed(BaseException):
    """Ends a run as a kill would: nothing that catches errors sees it."""


def dying_at_the_eighth_step() -> Callable[..., StepResult]:
    steps, real_step = iter(range(7)), loop.take_step

    def take_step(*arguments: Any) -> StepResult:
        if next(steps, None) is None:
            raise Killed
        return real_step(*arguments)

    return take_step


def test_documents_kept_apart_make_other_weights(run_dir: Path, tiny_recipe: MakeRecipe) -> None:
    plan = tiny_recipe(max_steps=1, fim_rate=0.0)
    apart = run_dir.with_name("apart")
    shutil.copytree(run_dir, apart)

    together = load_file(fit(plan, run_dir) / "model.safetensors")
    separate = load_file(fit(replace(plan, dataset=DatasetConfig(document_mask=True)), apart) / "model.safetensors")

    assert not torch.equal(together["h.0.attn.c_attn.weight"], separate["h.0.attn.c_attn.weight"])


def test_another_kind_of_rows_is_refused(run_dir: Path, tiny_recipe: MakeRecipe) -> None:
    plan = tiny_recipe(max_steps=2)
    fit(plan, run_dir)

    with pytest.raises(CheckpointError, match=r"with dataset .*'mode': 'packed'.*, not .*'mode': 'chunks'"):
        fit(replace(plan, dataset=DatasetConfig(mode="chunks")), run_dir)
