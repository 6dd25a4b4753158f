from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.engine import roster
from lsp_server.model.bundle import open_bundle


@pytest.mark.parametrize(
    ("content", "answer", "reason"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16\n", True, "it has the instructions"),
        ("flags\t\t: fpu avx2 fma\n", False, "emulated, a hundred times slower"),
        ("Features\t: fp asimd\n", True, "another kind of processor: let it try"),
    ],
)
def test_bf16_is_tried_unless_it_is_known_to_be_emulated(
    tmp_path: Path, content: str, answer: bool, reason: str
) -> None:
    (tmp_path / "cpuinfo").write_text(content)
    assert roster.may_have_bf16(tmp_path / "cpuinfo") is answer, reason


def test_peers_that_are_not_installed_are_missing_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "PYTHON", tmp_path / "python")
    monkeypatch.setattr(roster, "LLAMA_SERVER", tmp_path / "llama-server")
    monkeypatch.setattr(roster, "reasons", lambda: {"llama.cpp": "no compiler"})
    names = (roster.OURS, roster.OURS_DEFAULT, roster.FP32, roster.LLAMA, roster.CTRANSLATE2)
    found, missing = roster.commands(names, open_bundle(), 2)
    assert found.keys() == {roster.OURS, roster.OURS_DEFAULT, roster.FP32}
    assert missing[roster.LLAMA] == "no compiler"
    assert "make bench-engine" in missing[roster.CTRANSLATE2]


def test_every_engine_runs_with_the_same_threads_but_ours_as_users_get_it() -> None:
    found, _ = roster.commands((roster.OURS, roster.OURS_DEFAULT, roster.FP32), open_bundle(), 2)
    assert found[roster.OURS][-2:] == ("--threads", "2")
    assert "--threads" in found[roster.FP32]
    assert "--threads" not in found[roster.OURS_DEFAULT]
