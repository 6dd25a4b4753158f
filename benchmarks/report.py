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
    higher_is_better: bool = False

    @property
    def ratio(self) -> float | None:
        return self.value / self.peer_value if self.peer_value else None

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        reached = self.value >= self.target if self.higher_is_better else self.value <= self.target
        return "ok" if reached else "short"

    def line(self) -> str:
        peer = "" if self.peer_value is None else f"{self.peer} {self.peer_value:.3g}, ratio {self.ratio:.2f}"
        sign = ">=" if self.higher_is_better else "<="
        target = "" if self.target is None else f"target {sign} {self.target:g}"
        value = f"{self.value:.0f}" if abs(self.value) >= 1000 else f"{self.value:.3g}"  # never 1.64e+03
        return f"{self.name:<34} {value:>9} {self.unit:<12} {peer:<44} {target:<16} {self.verdict}".rstrip()


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
