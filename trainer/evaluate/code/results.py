"""What code benchmarks came to, on disk: figures as JSON, and every sample with how it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from lsp_server.errors import EvaluationError
from trainer.evaluate.code.pass_at_k import CodeFigures, Judged
from trainer.evaluate.metrics import Mean
from trainer.folders import write_whole

FIGURES = "code.json"
SAMPLES = "samples.jsonl"


def write_results(folder: Path, figures: Mapping[str, CodeFigures], judged: Sequence[Judged]) -> None:
    """Add to the figures that are there; the samples are those of the last run."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / SAMPLES, "".join(json.dumps(_entry(each)) + "\n" for each in judged))
    known = read_results(folder) if (folder / FIGURES).is_file() else {}
    entries = {group: asdict(entry) for group, entry in {**known, **figures}.items()}
    write_whole(folder / FIGURES, json.dumps(entries, indent=2) + "\n")


def read_results(folder: Path) -> dict[str, CodeFigures]:
    """The figures by benchmark; none where no benchmark has run. Raises: EvaluationError."""
    path = folder / FIGURES
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {
            group: CodeFigures(
                **{
                    **entry,
                    "pass_at": {k: Mean(**mean) for k, mean in entry["pass_at"].items()},
                    "exact": Mean(**entry["exact"]),
                }
            )
            for group, entry in entries.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvaluationError(f"{path} holds no results ({error!r}): delete it and evaluate again") from error


def _entry(judged: Judged) -> dict[str, object]:
    return {
        "name": judged.problem.name,
        "samples": [
            {"answer": answer, **asdict(outcome)}
            for answer, outcome in zip(judged.answers, judged.outcomes, strict=True)
        ],
    }
