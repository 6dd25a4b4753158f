"""What each rule of the pipeline is worth: the same pieces written with all rules, and with each switched off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainer.simulate.faults import Faults
from trainer.simulate.figures import figures
from trainer.simulate.pieces import Piece
from trainer.simulate.pipeline import ablations, loaded_engine, pipeline_editor
from trainer.simulate.project import Project
from trainer.simulate.trial import write_all
from trainer.simulate.typist import Tally

HEAD = (
    "",
    "keys saved",
    "of 100 keys: offers",
    "right",
    "syntax errors",
    "unfinished",
    "line's rest",
    "line below",
    "above",
)
_SHARES = ("num_broken", "num_unfinished", "num_suffix", "num_below", "num_above")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one set of rules."""

    tally: Tally
    faults: Faults

    def as_dict(self) -> dict[str, Any]:  # Any: JSON
        return {
            "plain_keys": self.tally.plain_keys,
            "keys": self.tally.keys,
            **figures(self.tally),
            **asdict(self.faults),
            **{name.replace("num_", "share_"): self.faults.share(name) for name in _SHARES},
        }

    def row(self, name: str) -> tuple[str, ...]:
        values = figures(self.tally)
        return (
            name,
            f"{values['saved']:.1%}",
            f"{values['offers_per_100_keys']:.1f}",
            f"{values['right']:.1%}",
            *(f"{self.faults.share(share):.1%}" for share in _SHARES),
        )


async def ablate(pieces: Sequence[Piece], project: Project, model: Path | None, seed: int) -> dict[str, Outcome]:
    """By what was switched off; all with one engine, because what it has read changes no answer."""
    outcomes = {}
    async with loaded_engine(model) as engine:
        for name, rules in ablations().items():
            editor = pipeline_editor(model, engine, project, rules)
            tally = await write_all(editor, pieces, seed, f"writing {name}")
            outcomes[name] = Outcome(tally=tally, faults=editor.faults)
    return outcomes


def rows(outcomes: Mapping[str, Outcome]) -> list[tuple[str, ...]]:
    return [HEAD, *(outcome.row(name) for name, outcome in outcomes.items())]
