"""A finished corpus in one line, and what to do about one that is too small. Reads manifests; builds nothing."""

from __future__ import annotations

from trainer.corpus.store import CorpusManifest

SMALL_DOCUMENTS, SMALL_BYTES = 100, 1_000_000
"""Ten minutes of tuning a 34M model on two cores see 2 MB of code, so a corpus of less than half of that is only
repeated; a hundred files are the fewest that leave five to judge by at the usual share."""


def summarise(manifest: CorpusManifest) -> str:
    """What was kept and what was left out."""
    parts = [
        f"{manifest.num_documents(split):,} documents, {manifest.num_bytes(split) / 1e6:,.1f} MB {purpose}"
        for split, purpose in (("train", "to train on"), ("heldout", "held out"))
    ]
    if manifest.dropped:
        parts.append(f"left out: {', '.join(f'{count:,} {reason}' for reason, count in manifest.dropped.items())}")
    if manifest.refused_sources:
        parts.append(f"refused: {', '.join(f'{name} ({why})' for name, why in manifest.refused_sources.items())}")
    warning = too_small(manifest)
    return "; ".join([*parts, warning] if warning else parts)


def too_small(manifest: CorpusManifest) -> str:
    """Tell when a corpus can only be learnt by heart, and what would do; `""` when it is large enough."""
    documents, num_bytes = manifest.num_documents("train"), manifest.num_bytes("train")
    if documents >= SMALL_DOCUMENTS and num_bytes >= SMALL_BYTES:
        return ""
    return (
        f"too small to train a model from nothing: {documents:,} documents and {num_bytes / 1e6:.2f} MB, where "
        f"{SMALL_DOCUMENTS} and {SMALL_BYTES / 1e6:.0f} MB are the least; add more of your repositories, or stdlib and "
        "site-packages, or fine-tune a pretrained model on it"
    )
