"""The files that a programmer writes in, on disk as a server finds them. Knows no editor."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trainer.corpus import Document
from trainer.simulate.pieces import Piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A folder for each source of code."""

    folder: Path
    sources: tuple[str, ...] = ()

    @property
    def roots(self) -> tuple[Path, ...]:
        return tuple(self.folder / source for source in self.sources)

    def root(self, piece: Piece) -> Path:
        """The folder of a piece's source."""
        return self.folder / piece.source

    def uri(self, piece: Piece) -> str:
        """Of the piece's file; on disk it holds the piece already, which no server of ours looks at."""
        return (self.root(piece) / piece.path).as_uri()


@contextmanager
def laid_out(documents: Sequence[Document]) -> Iterator[Project]:
    """All documents under their names, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="parrotlet-simulate-") as folder:
        for document in documents:
            file = Path(folder, document.source, document.path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(document.text, encoding="utf-8", newline="")
        yield Project(folder=Path(folder), sources=tuple(sorted({document.source for document in documents})))
