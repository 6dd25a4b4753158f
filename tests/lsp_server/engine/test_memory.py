from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from lsp_server.engine import memory


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the peak is all there is")
def test_the_memory_is_what_the_system_says() -> None:
    assert memory.resident_bytes() == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell")
def test_without_proc_it_is_the_most_there_ever_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "Path", lambda _: tmp_path / "absent")
    assert memory.resident_bytes() >= psutil.Process().memory_info().rss * 0.5
