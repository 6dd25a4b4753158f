"""Puts the parts together: an engine as a user chose it, and a completer on top of it. Wiring only."""

from __future__ import annotations

from pathlib import Path

from lsp_server.completion.completer import Completer
from lsp_server.completion.rules import ALL, Rules
from lsp_server.considerate import ConsiderateEngine
from lsp_server.engine.api import Engine
from lsp_server.engine.choice import EngineChoice
from lsp_server.engine.launcher import DEFAULT_IDLE_MINUTES
from lsp_server.library.choice import model_in_use
from lsp_server.model.opening import open_model, prompt_format


def make_engine(choice: EngineChoice, *, in_process: bool, idle_minutes: float = DEFAULT_IDLE_MINUTES) -> Engine:
    """The shared engine, or one inside this process.

    `idle_minutes`: how long one that is started here stays without a request.
    """
    if in_process:
        from lsp_server.engine.local import LocalEngine

        return LocalEngine(choice)
    from lsp_server.engine.client import EngineClient

    return EngineClient(choice, idle_minutes)


def open_completer(model: Path | None, engine: Engine, rules: Rules = ALL) -> Completer:
    """None is the model that the user has in use. Raises: BundleError when the model cannot be used."""
    opened = open_model(model or model_in_use())
    engine = ConsiderateEngine(engine, prompt_format(opened))
    return Completer(engine=engine, tokenizer=opened.load_tokenizer(), prompts=opened.prompts, rules=rules)
