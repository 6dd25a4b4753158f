from __future__ import annotations

from benchmarks.vscode.figures import figures


def test_what_the_extension_adds_is_what_the_server_did_not_take() -> None:
    keystrokes = [{"whole_ms": 50.0 + each, "server_ms": 20.0} for each in range(11)]
    found = {figure.name: figure for figure in figures(120.0, keystrokes)}
    assert (found["activation in the host"].value, found["activation in the host"].verdict) == (120.0, "ok")
    assert (found["key to ghost text, p50"].value, found["key to ghost text, p50"].peer_value) == (55.0, 20.0)
    assert (found["added to the server's answer, p50"].value, found["added to the server's answer, p50"].verdict) == (
        35.0,
        "ok",
    )
    assert figures(301.0, keystrokes)[0].verdict == "short"
