"""Runs one language server over the process's stdin and stdout."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable
from pathlib import Path

from lsp_server.completion.completer import Completer
from lsp_server.engine.api import Engine
from lsp_server.protocol.rpc import silence_pygls
from lsp_server.protocol.server import build_server
from lsp_server.protocol.stdio import FdWriter, frames_of, take_stdio
from lsp_server.statistics.store import StatisticsStore, default_file


def serve(
    make_engine: Callable[[], Engine],
    open_completer: Callable[[Engine], Completer],
    model_in_use: Callable[[], Path] | None = None,
) -> int:
    """Serve until the editor leaves; returns the process's exit code.

    The engine is made inside the event loop, after stdout has been taken from everybody else. A model that cannot be
    opened is told to the editor; it does not end the server. `model_in_use`: see `build_server`.
    """
    silence_pygls()
    stdin, stdout = take_stdio()

    async def run() -> int:
        engine = make_engine()
        statistics = StatisticsStore(default_file())
        server = build_server(engine, functools.partial(open_completer, engine), statistics, model_in_use)
        server.protocol.set_writer(FdWriter(stdout))
        return await server.run(frames_of(functools.partial(os.read, stdin)))

    return asyncio.run(run())
