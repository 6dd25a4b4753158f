"""Where the curves go, and what is forgotten when a killed run goes on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from trainer.fit.journal import forget_after, tracker_options


def test_weights_and_biases_stays_offline_unless_its_user_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    accelerator = SimpleNamespace(log_with=["tensorboard", "wandb"])

    assert tracker_options(accelerator, tmp_path) == {"wandb": {"mode": "offline", "dir": str(tmp_path)}}
    monkeypatch.setenv("WANDB_MODE", "online")
    assert tracker_options(accelerator, tmp_path)["wandb"]["mode"] == "online"
    assert tracker_options(SimpleNamespace(log_with=["tensorboard"]), tmp_path) == {}


def test_steps_that_will_be_taken_again_are_forgotten_and_a_torn_line_with_them(tmp_path: Path) -> None:
    curves = tmp_path / "curves.jsonl"
    curves.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')

    forget_after(curves, 2)

    assert curves.read_text() == '{"step": 1}\n{"step": 2}\n'
    forget_after(tmp_path / "none.jsonl", 2)
    assert [path.name for path in tmp_path.iterdir()] == ["curves.jsonl"]
