"""The tokenizer stage of fine-tuning: the pretrained vocabulary with our sentinels, in place of one that is learnt."""

from __future__ import annotations

import json
from pathlib import Path

from lsp_server.errors import CorpusError
from lsp_server.model.bundle import TOKENIZER
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.config import ModelConfig
from trainer.folders import whole_folder
from trainer.tuning.pretrained import load_vocabulary

REPORT = "report.json"


def adopt_tokenizer(config: ModelConfig, out: Path) -> str:
    """Write the stage, beside `out` and renamed when whole; says in one line what it is.

    Raises: RecipeError when the model has no tokenizer that will do; CorpusError when the disk refuses.
    """
    vocabulary = load_vocabulary(config)
    tokenizer = CodeTokenizer(vocabulary.backend)
    report = {
        "vocab_size": tokenizer.vocab_size,
        "pretrained": config.pretrained,
        "added_sentinels": len(vocabulary.added_ids),
    }
    try:
        with whole_folder(out) as folder:
            tokenizer.save(folder / TOKENIZER)
            (folder / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise CorpusError(f"tokenizer {out} cannot be written: {error}; free space, or choose another --run") from error
    return f"{tokenizer.vocab_size:,} tokens of {config.pretrained}, {len(vocabulary.added_ids)} sentinels added"
