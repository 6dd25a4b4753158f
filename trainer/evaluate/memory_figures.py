"""The figures of what a model repeats of its training text, and their file. Measures nothing, knows no tensors."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lsp_server.errors import EvaluationError
from trainer.folders import write_whole

FIGURES = "memorisation.json"
REPEATED = 160
"""Characters: about the 50 tokens that are customary."""
ALTERNATIVES = 500
"""Secrets that were not planted, for each canary; its exposure is at most log2 of one more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """How the model goes on at places in text, of which it was shown what stands before."""

    num_places: int = 0
    num_repeated: int = 0
    """Places whose next `REPEATED` characters came back exactly."""
    mean_characters: float = 0.0
    """That came back before the first wrong one."""
    longest_characters: int = 0
    longest_place: str = ""
    """Source, path and licence of the longest run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryFigures:
    """One planted secret."""

    copies: int
    exposure: float
    """Bits; 1 is chance, `log2(ALTERNATIVES + 1)` the most that is seen."""
    is_extracted: bool
    """Whether the model writes it out when asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memorisation:
    """What a model repeats."""

    trained: Repeats = field(default_factory=Repeats)
    heldout: Repeats = field(default_factory=Repeats)
    canaries: tuple[CanaryFigures, ...] = ()

    def summary(self) -> str:
        """One line."""
        said = (
            f"repeats {REPEATED} characters at {self.trained.num_repeated} of {self.trained.num_places} places in its "
            f"training text, {self.heldout.num_repeated} of {self.heldout.num_places} in held-out text"
        )
        extracted = sum(canary.is_extracted for canary in self.canaries)
        return f"{said}; {extracted} of {len(self.canaries)} canaries come out" if self.canaries else said


def write_memorisation(folder: Path, figures: Memorisation) -> None:
    """Write the figures, whole or not at all."""
    write_whole(folder / FIGURES, json.dumps(asdict(figures), indent=2) + "\n")


def read_memorisation(folder: Path) -> Memorisation | None:
    """The figures of a folder, None where it was not measured. Raises: EvaluationError when they cannot be read."""
    path = folder / FIGURES
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Memorisation(
            trained=Repeats(**values["trained"]),
            heldout=Repeats(**values["heldout"]),
            canaries=tuple(CanaryFigures(**each) for each in values["canaries"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(f"{path} holds no figures ({error!r}): evaluate again") from error
