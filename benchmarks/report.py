"""How a benchmark tells its figures: a line each, and JSON with the machine's description. Measures nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lsp_server.machine import describe_machine

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("parrotlet", "torch", "tokenizers", "transformers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value beside a peer's, measured in the same run on the same data."""

    name: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None
    target: float | None = None
    ratio_target: float | None = None
    """A target for the ratio to the peer, in place of one for the value itself."""
    higher_is_better: bool = False

    def __post_init__(self) -> None:
        if self.ratio_target is not None and (self.target is not None or not self.peer_value):
            raise ValueError(f"{self.name}: a ratio's target needs a peer's value, and no target beside it")

    @property
    def ratio(self) -> float | None:
        return self.value / self.peer_value if self.peer_value else None

    @property
    def verdict(self) -> str:
        measured, target = (self.value, self.target) if self.ratio_target is None else (self.ratio, self.ratio_target)
        if measured is None or target is None:
            return ""
        reached = measured >= target if self.higher_is_better else measured <= target
        return "ok" if reached else "short"

    def line(self) -> str:
        peer = "" if self.peer_value is None else f"{self.peer} {self.peer_value:.3g}"
        peer += "" if self.ratio is None else f", ratio {self.ratio:.2f}"
        sign = ">=" if self.higher_is_better else "<="
        target = "" if self.target is None else f"target {sign} {self.target:g}"
        if self.ratio_target is not None:
            target = f"target ratio {sign} {self.ratio_target:g}"
        value = f"{self.value:.0f}" if abs(self.value) >= 1000 else f"{self.value:.3g}"  # never 1.64e+03
        return f"{self.name:<46} {value:>9} {self.unit:<10} {peer:<58} {target:<20} {self.verdict}".rstrip()


def publish(name: str, figures: Sequence[Figure], notes: dict[str, object] | None = None) -> Path:
    """Print the figures and write benchmarks/results/NAME.json."""
    for figure in figures:
        print(figure.line(), flush=True)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    entries = [{**asdict(figure), "ratio": figure.ratio, "verdict": figure.verdict} for figure in figures]
    content = {"benchmark": name, "machine": machine(), "notes": notes or {}, "figures": entries}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    return describe_machine(PACKAGES)
