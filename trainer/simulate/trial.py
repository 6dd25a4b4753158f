"""Writing pieces with one editor after the other, and adding up what that took. Draws nothing, prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from trainer.simulate.editors import lsp_editor
from trainer.simulate.pieces import Piece
from trainer.simulate.project import Project
from trainer.simulate.typist import Editor, Shown, Tally, write


async def write_with_server(
    pieces: Sequence[Piece], project: Project, model: Path | None, seed: int, *, in_time: bool = False
) -> Tally:
    """With suggestions of a real server; None is the model in use. `in_time` has none of them come too late, where the
    models are compared and not the machine.

    Raises: EvaluationError when the server does not start.
    """
    arguments = () if model is None else ("--model", str(model))
    async with lsp_editor(arguments, project) as editor:
        return await write_all(_Patient(editor) if in_time else editor, pieces, seed, "writing with Parrotlet")


class _Patient:
    """An editor whose user waits for every offer."""

    def __init__(self, editor: Editor) -> None:
        self._editor = editor

    async def open(self, piece: Piece) -> None:
        await self._editor.open(piece)

    async def insert(self, text: str) -> None:
        await self._editor.insert(text)

    async def shown(self) -> Shown:
        return Shown(text=(await self._editor.shown()).text, latency_ms=0.0)


async def write_all(editor: Editor, pieces: Sequence[Piece], seed: int, what: str) -> Tally:
    total = Tally()
    for piece in tqdm(pieces, desc=what, unit="piece", delay=2):
        total.add(await write(editor, piece, seed))
    return total
