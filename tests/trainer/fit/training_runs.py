"""What tests of runs look at: a second run over the same tokens, weights and curves."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file


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


def curves(run_dir: Path, name: str) -> list[tuple[int, float]]:
    """Step and value of every entry that has it."""
    entries = [json.loads(line) for line in (run_dir / "curves.jsonl").read_text().splitlines()]
    return [(entry["step"], entry[name]) for entry in entries if name in entry]
