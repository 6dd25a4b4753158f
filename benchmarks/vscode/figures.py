"""Figures of a run in the workbench. Measures nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.report import Figure
from lsp_server.figures import percentile

ACTIVATION_TARGET_MS = 300.0
ADDED_TARGET_MS = 60.0
EDITOR_WAIT_MS = 50.0
"""Between a key and the question, for every extension: `InlineCompletionsDebounce` of VS Code 1.139."""


def figures(activation_ms: float, keystrokes: Sequence[Mapping[str, float]]) -> list[Figure]:
    """`keystrokes`: for each that brought ghost text, the whole time and the server's part of it, in milliseconds."""
    whole = [each["whole_ms"] for each in keystrokes]
    server = [each["server_ms"] for each in keystrokes]
    added = [each["whole_ms"] - each["server_ms"] for each in keystrokes]
    return [
        Figure(name="activation in the host", value=activation_ms, unit="ms", target=ACTIVATION_TARGET_MS),
        *(
            Figure(
                name=f"key to ghost text, p{share}",
                value=percentile(whole, share),
                unit="ms",
                peer="of it the server",
                peer_value=percentile(server, share),
            )
            for share in (50, 95)
        ),
        Figure(
            name="added to the server's answer, p50",
            value=percentile(added, 50),
            unit="ms",
            peer="of it the editor's wait",
            peer_value=EDITOR_WAIT_MS,
            target=ADDED_TARGET_MS,
        ),
        Figure(name="added to the server's answer, p95", value=percentile(added, 95), unit="ms"),
    ]
