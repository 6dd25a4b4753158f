"""What a user chose of an engine: model, device, threads, back end. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lsp_server.errors import SettingsError

BACKENDS = ("auto", "native", "int8", "full", "graphs")
"""`native`: our kernel; `int8`: torch with int8 weights; `full`: torch in the device's own number format, which is the
only one for a model from the Hub; `graphs`: the same in CUDA graphs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """Those who chose the same share one engine process."""

    model: Path | None = None
    """None is the one that the user has in use, whichever that is at the time."""
    device: str = "auto"
    threads: int | None = None
    """Of the CPU; None leaves a core to the editor."""
    backend: str = "auto"

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise SettingsError(f"threads is {self.threads}: choose at least 1, or leave it out")
        if self.backend not in BACKENDS:
            raise SettingsError(f"backend is {self.backend!r}: choose one of {', '.join(BACKENDS)}")
