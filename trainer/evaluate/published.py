"""Figures that others have published, to read ours beside. Each was measured with a harness of its own: prompts, stops,
sampling and data differ, so a difference of a few points says nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One model's figure, in per cent."""

    benchmark: str
    """The name of one of our groups, or of a figure that is near to one of ours."""
    model: str
    measure: str
    percent: float
    source: str


_CODEX = "arXiv 2107.03374, table 1"
_CODEPARROT = "the CodeParrot project's README"
_CODE_LMS = "the Code-LMs README (PolyCoder)"
_CODEXGLUE = "CodeXGLUE, PY150 line completion"
_FIM = "arXiv 2207.14255, joint training, 844M"


def _passes(model: str, source: str, *percents: float) -> list[Published]:
    return [
        Published(benchmark="HumanEval", model=model, measure=f"pass@{k}", percent=percent, source=source)
        for k, percent in zip((1, 10, 100), percents, strict=False)
    ]


PUBLISHED = (
    *_passes("Codex 12M", _CODEX, 2.00, 3.62, 8.58),
    *_passes("Codex 25M", _CODEX, 3.21, 7.10, 12.89),
    *_passes("Codex 42M", _CODEX, 5.06, 8.80, 15.55),
    *_passes("Codex 85M", _CODEX, 8.22, 12.81, 22.40),
    *_passes("Codex 300M", _CODEX, 13.17, 20.37, 36.27),
    *_passes("CodeParrot 110M", _CODEPARROT, 3.80, 6.57, 12.78),
    *_passes("CodeParrot 1.5B", _CODEPARROT, 3.99, 8.69, 17.88),
    *_passes("GPT-Neo 125M", _CODEX, 0.75, 1.88, 2.97),
    *_passes("PolyCoder 160M", _CODE_LMS, 2.13, 3.35, 4.88),
    *_passes("TinyStarCoderPy 164M", "its model card", 7.84),
    Published(benchmark="SingleLineInfilling", model="Bavarian SPM", measure="pass@1", percent=62.2, source=_FIM),
    Published(benchmark="MultiLineInfilling", model="Bavarian SPM", measure="pass@1", percent=30.5, source=_FIM),
    Published(benchmark="RandomSpanInfilling", model="Bavarian SPM", measure="pass@1", percent=42.0, source=_FIM),
    Published(benchmark="line", model="LSTM", measure="exact", percent=23.8, source=_CODEXGLUE),
    Published(benchmark="line", model="Transformer", measure="exact", percent=38.5, source=_CODEXGLUE),
    Published(benchmark="line", model="GPT-2", measure="exact", percent=41.7, source=_CODEXGLUE),
    Published(benchmark="line", model="CodeGPT-adapted", measure="exact", percent=42.4, source=_CODEXGLUE),
)
"""CodeXGLUE's text is tokenised and its literals are replaced; ours is as it stands in the file."""


def beside(benchmark: str, measure: str) -> list[Published]:
    """What others published for the same benchmark and measure, lowest first."""
    found = [each for each in PUBLISHED if each.benchmark == benchmark and each.measure == measure]
    return sorted(found, key=lambda each: each.percent)
