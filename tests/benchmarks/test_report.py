from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.report import Figure, publish


@pytest.mark.parametrize(
    ("value", "target", "higher", "verdict"),
    [(1.5, 1.6, False, "ok"), (1.7, 1.6, False, "short"), (20.0, 15.0, True, "ok"), (10.0, 15.0, True, "short")],
)
def test_a_figure_is_ok_or_short_of_its_target(value: float, target: float, higher: bool, verdict: str) -> None:
    figure = Figure(name="a", value=value, unit="%", target=target, higher_is_better=higher)
    assert figure.verdict == verdict
    assert figure.line().endswith(verdict)


@pytest.mark.parametrize(("peer_value", "verdict"), [(10.0, "ok"), (4.0, "short")])
def test_a_ratio_to_the_peer_can_be_the_target(peer_value: float, verdict: str) -> None:
    figure = Figure(name="a", value=2.0, unit="ms", peer="b", peer_value=peer_value, ratio_target=0.4)
    assert figure.verdict == verdict
    assert "target ratio <= 0.4" in figure.line()


def test_a_ratio_without_a_peer_is_refused() -> None:
    with pytest.raises(ValueError, match="peer's value"):
        Figure(name="a", value=2.0, unit="ms", ratio_target=0.4)


def test_without_a_target_there_is_no_verdict() -> None:
    assert Figure(name="a", value=1.0, unit="%").verdict == ""


def test_results_say_on_what_machine_and_beside_which_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    path = publish("model", [Figure(name="bits", value=1.5, unit="b", peer="xz", peer_value=3.0)], {"seed": 1})
    result = json.loads(path.read_text())
    assert result["figures"][0]["ratio"] == 0.5
    assert result["machine"]["cores"] >= 1
    assert "torch" in result["machine"]["packages"]
    assert "xz 3, ratio 0.50" in capsys.readouterr().out


def test_a_peer_that_came_to_nothing_has_no_ratio() -> None:
    line = Figure(name="exact", value=2.0, unit="%", peer="copying", peer_value=0.0).line()
    assert "copying 0" in line
    assert "ratio" not in line
