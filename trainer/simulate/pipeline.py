"""An editor for the typist whose pipeline runs in this process, so that its rules can be switched off one by one.

The same suggestions as over LSP; no waiting behind keys, no reading ahead.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from lsp_server.assembly import open_completer
from lsp_server.completion.completer import Completer
from lsp_server.completion.rules import ALL, Rules, rule_names
from lsp_server.completion.snapshot import Snapshot
from lsp_server.engine.choice import EngineChoice
from lsp_server.engine.local import LocalEngine
from lsp_server.settings import Settings
from trainer.simulate.faults import Faults, find_faults
from trainer.simulate.pieces import Piece
from trainer.simulate.project import Project
from trainer.simulate.typist import Shown

DEADLINE_MS = 60_000
SETTLE_SECONDS = 60.0


class PipelineEditor:
    """Shows what the pipeline offers, and notes what is wrong with it in any case, whatever is typed in the end."""

    def __init__(
        self, completer: Completer, project: Project, settle: Callable[[], object], *, seeks_faults: bool = True
    ) -> None:
        """`settle` waits until what is remembered can be found."""
        self._completer = completer
        self._project, self._settle = project, settle
        self._settings = Settings(deadline_ms=DEADLINE_MS)
        self._seeks_faults = seeks_faults
        self._uri = ""
        self._before = self._after = self._expected = ""
        self.faults = Faults()

    async def open(self, piece: Piece) -> None:
        self._completer.forget(self._uri)
        self._uri = self._project.uri(piece)
        await self._completer.workspace.read_around(self._uri, self._project.root(piece))
        await asyncio.to_thread(self._settle)
        self._before, self._after, self._expected = piece.before, piece.after, ""

    async def insert(self, text: str) -> None:
        self._before += text
        self._expected = self._expected.removeprefix(text) if self._expected.startswith(text) else ""

    async def shown(self) -> Shown:
        text = self._before + self._after
        snapshot = Snapshot(uri=self._uri, language="python", text=text, offset=len(self._before))
        began = time.perf_counter()
        suggestions = await self._completer.suggest(snapshot, self._settings, automatic=True)
        latency_ms = 1000 * (time.perf_counter() - began)
        offer = suggestions[0].text if suggestions else ""
        if offer and offer != self._expected and self._seeks_faults:  # the rest of an offer is the same one
            self.faults.add(find_faults(self._before, offer, self._after))
        self._expected = offer
        return Shown(text=offer, latency_ms=latency_ms)


@asynccontextmanager
async def loaded_engine(model: Path | None) -> AsyncIterator[LocalEngine]:
    engine = LocalEngine(EngineChoice(model=model))
    try:
        await engine.reload(None)  # has its turn when the model is loaded
        yield engine
    finally:
        await engine.close()


def pipeline_editor(model: Path | None, engine: LocalEngine, project: Project, rules: Rules = ALL) -> PipelineEditor:
    """Raises: BundleError when the model cannot be used."""
    return PipelineEditor(open_completer(model, engine, rules), project, lambda: engine.settle(SETTLE_SECONDS))


def ablations() -> dict[str, Rules]:
    """All rules, and all but one, by name."""
    return {"all rules": ALL, **{f"without {name}": ALL.without(name) for name in rule_names()}}
