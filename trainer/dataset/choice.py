"""Which source of rows a recipe asks for, opened over a run's folder, and whether there is text enough for it."""

from __future__ import annotations

from pathlib import Path

from lsp_server.errors import CorpusError
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.config import Recipe
from trainer.dataset.documents import DocumentRows
from trainer.dataset.fill_in_middle import FillInMiddle
from trainer.dataset.hub import hub_texts
from trainer.dataset.packed import PackedRows
from trainer.dataset.row import RowMaker, RowSource
from trainer.dataset.streamed import StreamedRows
from trainer.dataset.texts import CorpusTexts, TextSource
from trainer.packing import TokenStream, require_current


def open_rows(recipe: Recipe, run_dir: Path, tokenizer: CodeTokenizer) -> RowSource:
    """Open the training rows of a run.

    Raises: CorpusError when the packed tokens are missing, damaged, of another corpus, or too few.
    """
    packed, corpus = run_dir / "packed", run_dir / "corpus"
    require_current(packed, corpus)
    config, maker = recipe.dataset, row_maker(recipe, tokenizer)
    if config.mode == "stream":
        texts: TextSource = hub_texts(config.stream_from) if config.stream_from else CorpusTexts(corpus)
        return StreamedRows(texts, maker, config.block_rows)
    stream = TokenStream.open(packed, "train")
    if config.mode == "packed":
        _require_one_step(recipe, stream, len(stream))
        return PackedRows(stream=stream, maker=maker)
    if config.mode == "strided":
        rows = DocumentRows.strided(stream, maker, config.stride or maker.row_tokens)
    else:
        rows = DocumentRows.chunks(stream, maker)
    _require_one_step(recipe, stream, rows.rows_per_epoch * rows.row_tokens)
    return rows


def row_maker(recipe: Recipe, tokenizer: CodeTokenizer) -> RowMaker:
    """How the recipe's rows are rearranged and laid out."""
    fill = FillInMiddle.of(
        tokenizer,
        rate=recipe.fit.fim_rate,
        spm_share=recipe.fit.spm_share,
        character_spans=recipe.dataset.character_spans,
    )
    return RowMaker(
        row_tokens=recipe.fit.row_tokens,
        seed=recipe.seed,
        fill_in_middle=fill,
        document_mask=recipe.dataset.document_mask,
    )


def _require_one_step(recipe: Recipe, stream: TokenStream, epoch_tokens: int) -> None:
    fit = recipe.fit
    step_tokens = fit.batch_rows * fit.accumulate * fit.row_tokens
    if epoch_tokens >= step_tokens:
        return
    raise CorpusError(
        f"the corpus is too small: its {stream.num_documents:,} documents give {epoch_tokens:,} tokens, and one step "
        f"reads {step_tokens:,} (fit.batch_rows x fit.accumulate x fit.row_tokens): add text, lower one of these, "
        "or fine-tune a pretrained model"
    )
