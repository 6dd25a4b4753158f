"""The rungs: what each is, how it comes to be, and what it costs on held-out text. Networks train in the usual loop.

RUN/rungs/NAME/result.json    what was measured, and a digest of what it was measured from
RUN/rungs/NAME/checkpoints    of a network; a rung that was interrupted goes on from there
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from safetensors.torch import load_file

from lsp_server.model.tokenizer import CodeTokenizer
from trainer.config import FitConfig, Recipe, digest
from trainer.fit.checkpoint import read_progress
from trainer.fit.loop import fit
from trainer.folders import share_folder, write_whole
from trainer.ladder.counting import AddOneBigram, BackOff, CountedModel, document_nats
from trainer.ladder.heldout import HeldOut, network_nats
from trainer.network import build_network
from trainer.ngrams import MAX_TOKENS, Ids
from trainer.packing import TokenStream, read_index

RESULT = "result.json"
IDENTITY = "identity"
Family = Literal["counts", "rnn", "gpt2"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RungResult:
    """One row of the table."""

    name: str
    family: Family
    num_parameters: int
    """Of a model that counts: the counts that are not zero."""
    tokens_seen: int
    seconds: float
    """Of counting or training."""
    nats_per_token: float
    perplexity: float
    """A token."""
    bits_per_byte: float
    scoring_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A model that is ready to be scored."""

    num_parameters: int
    tokens_seen: int
    seconds: float
    nats: Callable[[HeldOut], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One model of the ladder."""

    name: str
    family: Family
    recipe: Recipe
    """With the shape and the pace of this rung."""
    make: Callable[[Rung, Path, CodeTokenizer], _Made]


def rungs_of(recipe: Recipe) -> list[Rung]:
    """From the bottom up."""
    settings = recipe.ladder
    longest = settings.ngram_tokens
    rungs = [_counted(recipe, "bigram, add one", _add_one), _counted(recipe, "bigram, back-off", _back_off(1))]
    if longest > 1:
        rungs.append(_counted(recipe, f"{longest + 1}-gram, back-off", _back_off(longest)))
    num_networks = len(settings.depths) + bool(settings.recurrent_layers)
    pace = recipe.fit
    if settings.minutes:
        pace = dataclasses.replace(pace, minutes=settings.minutes / num_networks)
    if settings.recurrent_layers:
        rungs.append(_recurrent(recipe, pace))
    return [*rungs, *(_transformer(recipe, pace, depth) for depth in settings.depths)]


def _recurrent(recipe: Recipe, pace: FitConfig) -> Rung:
    """AdamW: Muon is made for the many matrices of a transformer."""
    settings = recipe.ladder
    shape = dataclasses.replace(recipe.model, family="rnn", num_layers=settings.recurrent_layers)
    pace = dataclasses.replace(pace, optimizer="adamw", learning_rate=settings.recurrent_learning_rate)
    plan = dataclasses.replace(recipe, model=shape, fit=pace)
    return Rung(name="RNN with attention", family="rnn", recipe=plan, make=_train)


def _transformer(recipe: Recipe, pace: FitConfig, depth: int) -> Rung:
    plan = dataclasses.replace(
        recipe, model=dataclasses.replace(recipe.model, family="gpt2", num_layers=depth), fit=pace
    )
    name = f"GPT-2, {depth} layer{'s' if depth > 1 else ''}"
    return Rung(name=name, family="gpt2", recipe=plan, make=_train)


def _counted(recipe: Recipe, name: str, count: Callable[[Ids, CodeTokenizer], CountedModel]) -> Rung:
    def make(_rung: Rung, run_dir: Path, tokenizer: CodeTokenizer) -> _Made:
        ids = TokenStream.open(run_dir / "packed", "train").read(0, MAX_TOKENS)
        started = time.monotonic()
        model = count(ids, tokenizer)
        return _Made(
            num_parameters=model.num_counts,
            tokens_seen=len(ids),
            seconds=time.monotonic() - started,
            nats=lambda heldout: sum(document_nats(model, document) for document in heldout.documents),
        )

    return Rung(name=name, family="counts", recipe=recipe, make=make)


def _add_one(ids: Ids, tokenizer: CodeTokenizer) -> CountedModel:
    return AddOneBigram.count(ids, tokenizer.vocab_size)


def _back_off(order: int) -> Callable[[Ids, CodeTokenizer], CountedModel]:
    def count(ids: Ids, tokenizer: CodeTokenizer) -> CountedModel:
        return BackOff.count(ids, tokenizer.vocab_size, order=order, end_of_text=tokenizer.end_of_text)

    return count


def climb(rung: Rung, run_dir: Path, tokenizer: CodeTokenizer, heldout: HeldOut) -> tuple[RungResult, bool]:
    """Make and score one rung, unless it is there already from the same inputs; also says whether it was.

    Raises: what training raises; the rung's checkpoint is kept then.
    """
    folder = run_dir / "rungs" / _folder_name(rung)
    inputs = _inputs(rung, run_dir, heldout)
    known = _read(folder / RESULT, inputs)
    if known is not None:
        return known, True
    folder.mkdir(parents=True, exist_ok=True)
    made = rung.make(rung, run_dir, tokenizer)
    started = time.monotonic()
    nats = made.nats(heldout)
    result = RungResult(
        name=rung.name,
        family=rung.family,
        num_parameters=made.num_parameters,
        tokens_seen=made.tokens_seen,
        seconds=round(made.seconds, 3),
        nats_per_token=nats / heldout.num_tokens,
        perplexity=heldout.perplexity(nats),
        bits_per_byte=heldout.bits_per_byte(nats),
        scoring_seconds=round(time.monotonic() - started, 3),
    )
    _write(folder / RESULT, result, inputs)
    return result, False


def _folder_name(rung: Rung) -> str:
    return rung.name.lower().replace(",", "").replace(" ", "-")


def _inputs(rung: Rung, run_dir: Path, heldout: HeldOut) -> str:
    recipe = rung.recipe
    learning = (recipe.model, recipe.fit, recipe.seed) if rung.family != "counts" else ()
    scored = [len(heldout.documents), heldout.num_tokens, heldout.num_bytes]
    return digest(read_index(run_dir / "packed")["content_hash"], rung.name, *learning, scored)


def _read(path: Path, inputs: str) -> RungResult | None:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return RungResult(**known["result"]) if known["inputs"] == inputs else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, result: RungResult, inputs: str) -> None:
    write_whole(path, json.dumps({"inputs": inputs, "result": asdict(result)}, indent=2) + "\n")


def _train(rung: Rung, run_dir: Path, tokenizer: CodeTokenizer) -> _Made:
    folder = run_dir / "rungs" / _folder_name(rung)
    for stage in ("corpus", "tokenizer", "packed"):
        share_folder(run_dir / stage, folder / stage)
    _drop_checkpoints_of_another(rung, folder)
    checkpoint = fit(rung.recipe, folder)
    progress, _ = read_progress(checkpoint)
    network = build_network(rung.recipe, tokenizer.vocab_size)
    network.load_state_dict(load_file(checkpoint / "model.safetensors"))
    context_tokens = rung.recipe.fit.row_tokens
    return _Made(
        num_parameters=sum(parameter.numel() for parameter in network.parameters()),
        tokens_seen=progress.tokens,
        seconds=progress.seconds,
        nats=lambda heldout: network_nats(network, heldout.documents, context_tokens),
    )


def _drop_checkpoints_of_another(rung: Rung, folder: Path) -> None:
    """A rung has no name of its own to be kept under: what another shape or corpus left makes room."""
    recipe, mark = rung.recipe, folder / IDENTITY
    content_hash = read_index(folder / "packed")["content_hash"]
    identity = digest(content_hash, recipe.model, recipe.seed, recipe.fit.batch_rows, recipe.fit.row_tokens)
    if not mark.is_file() or mark.read_text(encoding="utf-8") != identity:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        mark.write_text(identity, encoding="utf-8")
