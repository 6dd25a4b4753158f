"""The chain from text to bundle: what each stage needs, and whether it must run again. Knows no command line.

    corpus -> tokenizer -> pack -> fit -> export -> evaluate -> card

Stages meet on disk, in one run folder. `stages.json` there records what each finished stage was made from; a stage
whose inputs have not changed since is not run again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from lsp_server.errors import CorpusError
from trainer.config import Recipe, digest
from trainer.folders import claimed, write_whole

STATE = "stages.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of the chain."""

    name: str
    output: str
    """What a finished stage leaves, relative to the run folder."""
    inputs: Callable[[Recipe, Path], str]
    """A digest of everything the result depends on."""
    run: Callable[[Recipe, Path], str]
    """Do the work, and say in one line what came of it."""


def run_stage(stage: Stage, recipe: Recipe, run_dir: Path) -> str:
    """Run one stage and record it.

    Raises: what the stage raises; nothing is recorded then. BusyError while another process runs a stage there.
    """
    with _claimed(run_dir):
        _record(run_dir, stage.name, None)
        inputs = stage.inputs(recipe, run_dir)
        summary = stage.run(recipe, run_dir)
        _record(run_dir, stage.name, inputs)
    return summary


def _claimed(run_dir: Path) -> AbstractContextManager[None]:
    """Of the processes of `accelerate launch`, which work together, the first one asks."""
    return nullcontext() if os.environ.get("RANK", "0") != "0" else claimed(run_dir, run_dir / ".lock")


def is_finished(stage: Stage, recipe: Recipe, run_dir: Path) -> bool:
    """Whether the stage's result is there and was made from the inputs of now."""
    recorded = _state(run_dir).get(stage.name)
    return recorded is not None and (run_dir / stage.output).exists() and recorded == stage.inputs(recipe, run_dir)


def run_chain(
    recipe: Recipe, run_dir: Path, report: Callable[[str, str], None], stages: tuple[Stage, ...] | None = None
) -> None:
    """Run all stages in order, leaving out the finished ones; `report` gets each stage's name and summary."""
    for stage in STAGES if stages is None else stages:
        done = is_finished(stage, recipe, run_dir)
        report(stage.name, "unchanged" if done else run_stage(stage, recipe, run_dir))


def _state(run_dir: Path) -> dict[str, str]:
    try:
        state = json.loads((run_dir / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in state.items() if isinstance(value, str)} if isinstance(state, dict) else {}


def _record(run_dir: Path, name: str, inputs: str | None) -> None:
    state = {key: value for key, value in _state(run_dir).items() if key != name}
    if inputs is not None:
        state[name] = inputs
    write_whole(run_dir / STATE, json.dumps(state, indent=2) + "\n")


def _corpus_inputs(recipe: Recipe, run_dir: Path) -> str:
    from trainer.corpus.build import inputs_digest

    return inputs_digest(recipe.corpus, run_dir / "corpus")


def _run_corpus(recipe: Recipe, run_dir: Path) -> str:
    from trainer.corpus.build import build_corpus
    from trainer.corpus.summary import summarise

    return summarise(build_corpus(recipe.corpus, run_dir / "corpus"))


def _corpus_hash(run_dir: Path) -> str:
    from trainer.corpus.store import read_manifest

    return read_manifest(run_dir / "corpus").corpus_hash


def _tokenizer_inputs(recipe: Recipe, run_dir: Path) -> str:
    if recipe.model.pretrained:
        return digest("pretrained", _fingerprint(recipe))
    return digest(_corpus_hash(run_dir), recipe.tokenizer)


def _fingerprint(recipe: Recipe) -> str:
    """Of the pretrained model; empty where there is none, without loading what reads one."""
    if not recipe.model.pretrained:
        return ""
    from trainer.tuning.pretrained import fingerprint

    return fingerprint(recipe.model)


def _run_tokenizer(recipe: Recipe, run_dir: Path) -> str:
    if recipe.model.pretrained:
        from trainer.tuning.vocabulary import adopt_tokenizer

        return adopt_tokenizer(recipe.model, run_dir / "tokenizer")
    from trainer.tokenizer import train_tokenizer

    report = train_tokenizer(run_dir / "corpus", run_dir / "tokenizer", recipe.tokenizer)
    return report.text().rstrip()


def _pack_inputs(recipe: Recipe, run_dir: Path) -> str:
    path = run_dir / "tokenizer" / "tokenizer.json"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CorpusError(f"{path} is not there: run `parrotlet-train tokenizer` first") from error
    return digest(_corpus_hash(run_dir), text, recipe.packing, _replay_inputs(recipe, run_dir))


def _replay_inputs(recipe: Recipe, run_dir: Path) -> str:
    """Of what a fine-tuning run replays; empty where it replays nothing."""
    if not recipe.tuning.replay_sources:
        return ""
    from trainer.corpus.build import inputs_digest
    from trainer.tuning.replay import REPLAY, replay_corpus

    return inputs_digest(replay_corpus(recipe), run_dir / REPLAY / "corpus")


def _run_pack(recipe: Recipe, run_dir: Path) -> str:
    from trainer.packing import pack
    from trainer.packing.advice import advice

    index = pack(run_dir / "corpus", run_dir / "tokenizer" / "tokenizer.json", run_dir / "packed", recipe.packing)
    counts = {split: entry["tokens"] for split, entry in index["splits"].items()}
    summary = f"{counts['train']:,} tokens to train on, {counts['heldout']:,} held out"
    return "; ".join(filter(None, [summary, _pack_replay(recipe, run_dir), advice(index, recipe)]))


def _pack_replay(recipe: Recipe, run_dir: Path) -> str:
    """Collect and pack what a fine-tuning run replays; says what to add to the summary."""
    if not recipe.tuning.replay_sources:
        return ""
    from trainer.corpus.build import build_corpus
    from trainer.packing import pack
    from trainer.tuning.replay import REPLAY, replay_corpus

    folder = run_dir / REPLAY
    folder.mkdir(exist_ok=True)
    build_corpus(replay_corpus(recipe), folder / "corpus")
    index = pack(folder / "corpus", run_dir / "tokenizer" / "tokenizer.json", folder / "packed", recipe.packing)
    return f"{index['splits']['train']['tokens']:,} to replay"


def _fit_inputs(recipe: Recipe, run_dir: Path) -> str:
    from trainer.packing import read_index
    from trainer.tuning.replay import REPLAY

    folders = [run_dir, run_dir / REPLAY] if recipe.tuning.replay_sources else [run_dir]
    return digest(
        *(read_index(folder / "packed")["content_hash"] for folder in folders),
        recipe.dataset,
        recipe.model,
        recipe.fit,
        recipe.seed,
        *_tuned(recipe),
    )


def _tuned(recipe: Recipe) -> tuple[object, ...]:
    """What a fine-tuning run depends on besides."""
    return (recipe.tuning, _fingerprint(recipe)) if recipe.model.pretrained else ()


def _run_fit(recipe: Recipe, run_dir: Path) -> str:
    from trainer.fit.loop import fit

    return f"checkpoint {fit(recipe, run_dir)}"


def _export_inputs(recipe: Recipe, run_dir: Path) -> str:
    return digest(_state(run_dir).get("fit", ""), recipe.run, recipe.model, recipe.prompt, *_tuned(recipe))


def _run_export(recipe: Recipe, run_dir: Path) -> str:
    from trainer.export import export

    return f"bundle {export(recipe, run_dir)}"


def _evaluate_inputs(recipe: Recipe, run_dir: Path) -> str:
    return digest(_state(run_dir).get("export", ""), _corpus_hash(run_dir), recipe.evaluate, recipe.seed)


def _run_evaluate(recipe: Recipe, run_dir: Path) -> str:
    from trainer.evaluate import evaluate

    said = [evaluate(recipe, run_dir).summary(), _run_memorisation(recipe, run_dir), str(run_dir / "evaluation")]
    return "; ".join(filter(None, said))


def _run_memorisation(recipe: Recipe, run_dir: Path) -> str:
    """See what the model repeats of its training text; says what to add to the summary."""
    from trainer.evaluate.memory_figures import FIGURES

    if not recipe.evaluate.memorised:
        (run_dir / "evaluation" / FIGURES).unlink(missing_ok=True)
        return ""
    from trainer.evaluate.memorisation import measure_run

    return measure_run(recipe, run_dir).summary()


def _card_inputs(recipe: Recipe, run_dir: Path) -> str:
    return digest(_state(run_dir).get("export", ""), _state(run_dir).get("evaluate", ""), recipe)


def _run_card(recipe: Recipe, run_dir: Path) -> str:
    from trainer.card import write_card

    return f"model card {write_card(recipe, run_dir)}"


STAGES = (
    Stage(name="corpus", output="corpus/manifest.json", inputs=_corpus_inputs, run=_run_corpus),
    Stage(name="tokenizer", output="tokenizer/tokenizer.json", inputs=_tokenizer_inputs, run=_run_tokenizer),
    Stage(name="pack", output="packed/index.json", inputs=_pack_inputs, run=_run_pack),
    Stage(name="fit", output="checkpoints", inputs=_fit_inputs, run=_run_fit),
    Stage(name="export", output="bundle/config.json", inputs=_export_inputs, run=_run_export),
    Stage(name="evaluate", output="evaluation/figures.json", inputs=_evaluate_inputs, run=_run_evaluate),
    Stage(name="card", output="bundle/README.md", inputs=_card_inputs, run=_run_card),
)
