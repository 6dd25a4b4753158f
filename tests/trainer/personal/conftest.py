"""A user's data folder of each test's own, and a repository of small modules with a history."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.data_folder import FOLDER_VARIABLE


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_accelerator: None) -> Path:
    """Where this test's models go; not there yet."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "data"))
    return tmp_path / "data" / "models"


def module(seed: int, num_functions: int = 6) -> str:
    """Functions of one style, whose names and numbers differ from seed to seed."""
    draw = random.Random(seed).randrange
    functions = [
        f"def compute_{draw(10**6)}(value):\n    total = value * {draw(10**6)}\n    return total + {draw(10**6)}\n"
        for _ in range(num_functions)
    ]
    return f'"""Module {draw(10**9)}."""\n\n\n' + "\n\n".join(functions)


@pytest.fixture
def repository(
    tmp_path: Path,
    make_repository: Callable[..., Path],
    write_files: Callable[..., Path],
    run_git: Callable[..., None],
) -> Path:
    """Sixty modules, of which the newest commit touched three; one of those is long."""
    folder = make_repository(tmp_path / "my-code", {f"m{number}.py": module(number, 8) for number in range(60)})
    write_files(folder, {"m3.py": module(103), "m4.py": module(104), "m5.py": module(105, 16)})
    run_git(folder, "commit", "-q", "-a", "-m", "later")
    return folder
