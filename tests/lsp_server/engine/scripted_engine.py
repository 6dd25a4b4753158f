"""An engine process that needs no torch: `scripted_engine.py BUNDLE IDLE_SECONDS`. Documents named `hang` never end.

Where SCRIPTED_ENGINE_GATE names a file, it starts to listen when that file exists.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path

from stepping_model import SteppingModel

from lsp_server.engine.address import EngineAddress, EngineIdentity
from lsp_server.engine.api import CompletionRequest, CompletionResult, OnTokens
from lsp_server.engine.choice import EngineChoice
from lsp_server.engine.daemon import serve
from lsp_server.engine.local import LocalEngine

DEVICE = "scripted"


class ScriptedModel(SteppingModel):
    def complete(
        self, request: CompletionRequest, received_at: float, on_tokens: OnTokens | None = None
    ) -> Generator[list[str], list[str], CompletionResult]:
        while request.document.endswith("hang"):
            if on_tokens is not None:
                on_tokens(0, "x")
            time.sleep(0.01)
            yield [request.document]
        return (yield from super().complete(request, received_at, on_tokens))


def main() -> int:
    bundle, idle_seconds = Path(sys.argv[1]), float(sys.argv[2])
    engine = LocalEngine(load_model=lambda _: ScriptedModel(free=True))
    address = EngineAddress.of(EngineIdentity.of(EngineChoice(model=bundle, device=DEVICE)))
    with (address.folder / "starts").open("a", encoding="utf-8") as stream:
        stream.write("started\n")
    gate = os.environ.get("SCRIPTED_ENGINE_GATE")
    while gate and not Path(gate).exists():
        time.sleep(0.005)
    return asyncio.run(serve(engine, address, idle_seconds))


if __name__ == "__main__":
    sys.exit(main())
