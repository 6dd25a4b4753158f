"""What an ablation came to: a table for people and JSON for programs. Measures nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lsp_server.machine import describe_machine
from trainer.ablation.training import JudgingText, VariantResult
from trainer.ablation.variants import Variant
from trainer.evaluate.metrics import Mean
from trainer.folders import write_whole
from trainer.table import render_rows

TABLE = "ablation.md"
FIGURES = "ablation.json"


def write_report(
    run_dir: Path, variants: Sequence[Variant], results: Sequence[VariantResult], text: JudgingText
) -> str:
    """Write RUN/ablation.md and .json; returns the first."""
    num_bytes = sum(len(document.text.encode()) for document in text.documents)
    notes = [f"Judged on {len(text.documents):,} files ({num_bytes:,} bytes) that the unchanged corpus holds out."]
    notes += [f"{variant.name}: {variant.note}." for variant in variants if variant.note]
    report = f"{render_table(results)}\n\n" + "\n".join(notes)
    write_whole(run_dir / TABLE, report + "\n")
    content = {
        "machine": describe_machine(("parrotlet", "torch")),
        "corpus_hash": text.corpus_hash,
        "heldout": {"documents": len(text.documents), "bytes": num_bytes},
        "variants": [{**asdict(result), "epochs": result.epochs} for result in results],
        "notes": notes,
    }
    write_whole(run_dir / FIGURES, json.dumps(content, indent=2) + "\n")
    return report


def render_table(results: Sequence[VariantResult]) -> str:
    """One row a variant."""
    kinds = list(dict.fromkeys(kind for result in results for kind in result.exact))
    head = ("variant", "tokens seen", "epochs", "minutes", "bits per byte", *(f"{kind} exact" for kind in kinds))
    return render_rows([head, *(_cells(result, kinds) for result in results)], right=range(1, len(head)))


def _cells(result: VariantResult, kinds: Sequence[str]) -> tuple[str, ...]:
    return (
        result.name,
        f"{result.tokens_seen:,}",
        f"{result.epochs:.2f}",
        f"{result.seconds / 60:.1f}",
        f"{result.bits_per_byte:.3f}",
        *(_percent(result.exact.get(kind)) for kind in kinds),
    )


def _percent(mean: Mean | None) -> str:
    return f"{mean.value:.1%} ± {mean.error:.1%}" if mean is not None and mean.num else "-"
