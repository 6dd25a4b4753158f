from __future__ import annotations

from dataclasses import replace

from benchmarks.replay.tally import figures
from lsp_server.replay import Keystroke, Phase

READ = Keystroke(
    phase=Phase.TYPING,
    num_requests=1,
    prompt_tokens=100,
    reused_tokens=95,
    engine_ms=20.0,
    prefill_ms=5.0,
    wall_ms=21.0,
    from_cache=False,
    has_suggestion=True,
)
CACHED = replace(READ, num_requests=0, prompt_tokens=0, reused_tokens=0, engine_ms=0.0, from_cache=True)
COLD = replace(READ, phase=Phase.MOVING, reused_tokens=1, engine_ms=100.0, prefill_ms=90.0)
UNASKED = replace(CACHED, from_cache=False, has_suggestion=False)


def test_the_share_of_served_keystrokes_is_of_those_that_ask() -> None:
    found = {figure.name: figure.value for figure in figures([READ, READ, CACHED, COLD, UNASKED])}
    assert found["keystrokes that ask"] == 4
    assert found["served from either cache"] == 75
    assert found["answered by the typed-through cache"] == 25
    assert found["prompt tokens reused"] == 100 * 191 / 300
    assert found["requests to the engine"] == 3
    assert found["engine time, p50"] == 20
    assert found["engine time, p95"] == 100


def test_every_phase_that_occurs_has_its_own_share() -> None:
    found = {figure.name: figure.value for figure in figures([READ, CACHED, COLD])}
    assert found["served, typing (2)"] == 100
    assert found["served, moving (1)"] == 0
    assert not any("undoing" in name for name in found)


def test_a_session_without_keystrokes_has_figures_too() -> None:
    assert figures([])[0].value == 0
