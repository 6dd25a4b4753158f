"""The whole chain with the shipped debug recipe, as `parrotlet-train run` does it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.stages import STAGES


def run_debug_recipe(run_dir: Path) -> list[str]:
    """A process of its own: accelerate keeps one state for each process."""
    command = [sys.executable, "-m", "trainer.cli", "run", "--recipe", "debug", "--run", str(run_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_debug_recipe_makes_a_judged_bundle_and_does_nothing_twice(tmp_path: Path) -> None:
    run_debug_recipe(tmp_path / "run")
    bundle = tmp_path / "run" / "bundle"
    assert {"config.json", "model.safetensors", "tokenizer.json", "parrotlet.json"} <= {
        file.name for file in bundle.iterdir()
    }
    figures = json.loads((tmp_path / "run" / "evaluation" / "figures.json").read_text())
    assert 0 < figures["bits_per_byte"] < 5  # a model that has learnt nothing needs 10 bits for 2.3 bytes
    assert [line for line in run_debug_recipe(tmp_path / "run") if "unchanged" in line] == [
        f"{stage.name}: unchanged" for stage in STAGES
    ]
