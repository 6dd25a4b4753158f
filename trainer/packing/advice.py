"""What a person should know of a corpus's size before a run begins. Refuses nothing: see `trainer.dataset.choice`."""

from __future__ import annotations

from typing import Any

from trainer.config import Recipe

MOST_EPOCHS = 40
"""A fourth reading is nearly as good as new text, a sixteenth still teaches, a fortieth nothing.
Source: Muennighoff et al. 2023 (arXiv 2305.16264), section 6."""
ENOUGH_EPOCHS = 16


def advice(index: dict[str, Any], recipe: Recipe) -> str:
    """Sentences on too little text, each with what would do; empty where there is enough."""
    sentences = []
    train, fit = index["splits"]["train"], recipe.fit
    planned = fit.max_steps * fit.batch_rows * fit.accumulate * fit.row_tokens
    epochs = planned / max(1, train["tokens"])
    if epochs > MOST_EPOCHS:
        enough_bytes = train["bytes"] / max(1, train["tokens"]) * planned / ENOUGH_EPOCHS
        sentences.append(
            f"{train['documents']:,} documents are too few: fit.max_steps {fit.max_steps:,} reads them {epochs:,.0f} "
            f"times, and beyond {MOST_EPOCHS} a repeat teaches nothing; {enough_bytes / 1e6:,.1f} MB of text would do, "
            f"or {max(1, fit.max_steps * ENOUGH_EPOCHS // int(epochs)):,} steps, or fine-tuning a pretrained model"
        )
    if not index["splits"]["heldout"]["tokens"]:
        sentences.append("nothing is held out, so nobody will know how well it learns: raise corpus.heldout_share")
    return "; ".join(sentences)
