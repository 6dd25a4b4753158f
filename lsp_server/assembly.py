"""Puts the parts together: an engine for a model and a device, and a completer on top of it. Wiring only."""

from __future__ import annotations

from pathlib import Path

from lsp_server.completion.completer import Completer
from lsp_server.engine.api import Engine
from lsp_server.engine.launcher import DEFAULT_IDLE_MINUTES
from lsp_server.model.bundle import open_bundle


def make_engine(
    model: Path | None, device: str, *, in_process: bool, idle_minutes: float = DEFAULT_IDLE_MINUTES
) -> Engine:
    """The shared engine, or one inside this process; `model` None is the embedded model.

    `idle_minutes`: how long one that is started here stays without a request.
    """
    if in_process:
        from lsp_server.engine.local import LocalEngine

        return LocalEngine(model, device)
    from lsp_server.engine.client import EngineClient

    return EngineClient(model, device, idle_minutes=idle_minutes)


def open_completer(model: Path | None, engine: Engine) -> Completer:
    """Raises: BundleError when the bundle cannot be used."""
    bundle = open_bundle(model)
    return Completer(engine=engine, tokenizer=bundle.load_tokenizer(), sentinels=bundle.sentinels, layout=bundle.layout)
