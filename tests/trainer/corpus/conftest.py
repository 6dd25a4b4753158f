"""Fixtures for the corpus: made-up installed distributions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

MakePackage = Callable[..., None]


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakePackage:
    """Install a distribution into a folder of its own that `importlib.metadata` searches."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def make(name: str, files: Mapping[str, str], *, licence: str = "MIT", version: str = "1.0") -> None:
        info = site / f"{name}-{version}.dist-info"
        info.mkdir()
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense-Expression: {licence}\n"
        )
        for path, text in files.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text(text)
        rows = [f"{path},," for path in [*files, f"{info.name}/METADATA", f"{info.name}/RECORD", "../bin/tool.py"]]
        info.joinpath("RECORD").write_text("\n".join(rows) + "\n")

    return make
