from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.engine import install


@pytest.fixture
def nothing_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to install into, and a Python that fails at whatever it is asked."""
    monkeypatch.setattr(install, "BENCH", tmp_path)
    monkeypatch.setattr(install, "REASONS", tmp_path / "missing.json")
    monkeypatch.setattr(install, "PYTHON", tmp_path / "venv" / "bin" / "python")
    monkeypatch.setattr(install, "LLAMA_SERVER", tmp_path / "llama" / "bin" / "llama-server")
    monkeypatch.setattr(install.sys, "executable", "/bin/false")
    return tmp_path


def test_what_cannot_be_installed_is_written_down_with_the_reason(nothing_works: Path) -> None:
    missing = install.install(jobs=1)
    assert missing.keys() == {"packages", "llama.cpp"}
    assert str(nothing_works / "venv.log") in missing["packages"]
    assert install.reasons() == missing


def test_a_server_that_is_built_is_not_built_again(nothing_works: Path) -> None:
    install.LLAMA_SERVER.parent.mkdir(parents=True)
    install.LLAMA_SERVER.touch()
    assert install.install(jobs=1).keys() == {"packages"}


def test_before_any_installation_there_are_no_reasons(nothing_works: Path) -> None:
    assert install.reasons() == {}
