"""Keystrokes counted: how many were served without much reading, in all and by phase, and what the rest cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.report import Figure
from lsp_server.figures import percentile
from lsp_server.replay import Keystroke, Phase

SERVED_TARGET = 90.0
"""Per cent of the keystrokes; the project's aim."""


def figures(keystrokes: Sequence[Keystroke]) -> list[Figure]:
    """All of them, then each phase that occurs."""
    found = [*_overall(keystrokes)]
    for phase in Phase:
        part = [each for each in keystrokes if each.phase is phase and each.is_asked]
        if part:
            found.append(_percent(f"served, {phase.value} ({len(part)})", _share(each.is_served for each in part)))
    return found


def _overall(keystrokes: Sequence[Keystroke]) -> list[Figure]:
    asked = [each for each in keystrokes if each.is_asked]
    requested = [each for each in asked if each.num_requests]
    prompt_tokens = sum(each.prompt_tokens for each in requested)
    reused_tokens = sum(each.reused_tokens for each in requested)
    return [
        Figure(name="keystrokes that ask", value=len(asked), unit=f"of {len(keystrokes)}"),
        _percent("served from either cache", _share(each.is_served for each in asked), SERVED_TARGET),
        _percent("prompt tokens reused", 100 * reused_tokens / max(1, prompt_tokens)),
        _percent("answered by the typed-through cache", _share(each.from_cache for each in asked)),
        _percent("with a suggestion", _share(each.has_suggestion for each in asked)),
        Figure(name="requests to the engine", value=sum(each.num_requests for each in requested), unit=""),
        *_times("reading the prompt", [each.prefill_ms for each in requested]),
        *_times("engine time", [each.engine_ms for each in requested]),
    ]


def _times(name: str, values_ms: Sequence[float]) -> list[Figure]:
    return [Figure(name=f"{name}, p{share:.0f}", value=percentile(values_ms, share), unit="ms") for share in (50, 95)]


def _percent(name: str, value: float, target: float | None = None) -> Figure:
    return Figure(name=name, value=value, unit="%", target=target, higher_is_better=True)


def _share(found: Iterable[bool]) -> float:
    """Per cent of true ones."""
    values = list(found)
    return 100 * sum(values) / max(1, len(values))
