"""A run folder as `fit` leaves it, made by hand: the export reads nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lsp_server.errors import CheckpointError, EvaluationError
from lsp_server.model.bundle import open_bundle
from lsp_server.model.gpt2 import GPT2
from lsp_server.model.ngrams import NgramTable
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.model.weights import load_gpt2
from trainer.card import write_card
from trainer.config import CorpusConfig, FitConfig, ModelConfig, PromptConfig, Recipe
from trainer.corpus.build import build_corpus
from trainer.evaluate import Figures, write_figures
from trainer.evaluate.code.pass_at_k import CodeFigures
from trainer.evaluate.code.results import write_results
from trainer.evaluate.completion import KindFigures
from trainer.evaluate.memory_figures import CanaryFigures, Memorisation, Repeats, write_memorisation
from trainer.evaluate.metrics import Mean, Means
from trainer.export import export
from trainer.network import network_config
from trainer.packing.shards import SplitWriter

RECIPE = Recipe(
    run="tiny",
    corpus=CorpusConfig(sources=("package:iniconfig", "package:pluggy"), heldout_sources=("iniconfig",)),
    model=ModelConfig(num_layers=1, num_heads=2, width=16, context_tokens=64),
    prompt=PromptConfig(suffix_tokens=8, new_tokens=8),
    fit=FitConfig(max_steps=10, row_tokens=64),
)


def means(exact: float) -> Means:
    shares = {name: Mean(value=exact, error=0.04, num=100) for name in ("exact", "first_line", "kept", "parses")}
    return Means(**shares, edit_similarity=Mean(value=0.6, error=0.02, num=100))


LINE = KindFigures(
    num_tasks=100,
    by_way={"model": means(0.25), "copy": means(0.2), "6-gram": means(0.1)},
    by_source={"iniconfig": means(0.25)},
)
FIGURES = Figures(
    num_documents=3,
    num_bytes=2_000_000,
    bits_per_byte=1.234,
    next_token_accuracy=0.5,
    bits_per_byte_by_source={"iniconfig": 1.234},
    xz_bits_per_byte=2.345,
    completion={"line": LINE},
)
HUMANEVAL = CodeFigures(
    num_problems=164,
    num_samples=20,
    temperature=0.2,
    top_p=0.95,
    seed=0,
    pass_at={"1": Mean(value=0.02, error=0.01, num=164), "10": Mean(value=0.05, error=0.02, num=164)},
    exact=Mean(value=0.0, error=0.0, num=164),
    verdicts={"failed": 3280},
)


@pytest.fixture
def network() -> GPT2:
    torch.manual_seed(0)
    return GPT2(network_config(RECIPE, 280))


@pytest.fixture
def run_dir(tmp_path: Path, network: GPT2) -> Path:
    tokenizer = CodeTokenizer.train(["def add(left, right):\n    return left + right\n"], 280)
    (tmp_path / "tokenizer").mkdir()
    tokenizer.save(tmp_path / "tokenizer" / "tokenizer.json")
    (tmp_path / "packed").mkdir()
    writer = SplitWriter(tmp_path / "packed", "train", np.dtype("<u2"), 1024)
    writer.add(np.asarray([50, 60, 70] * 40, dtype="<u2").tobytes(), 0)
    writer.close()
    splits = {"train": writer.summary()}
    index = {"format_version": 2, "corpus_hash": "abc", "content_hash": "def", "dtype": "uint16", "splits": splits}
    (tmp_path / "packed" / "index.json").write_text(json.dumps(index))
    checkpoint = tmp_path / "checkpoints" / "step-00000010"
    checkpoint.mkdir(parents=True)
    save_file(network.state_dict(), checkpoint / "model.safetensors")
    progress = {"step": 10, "tokens": 5120, "seconds": 3600.0, "machine": "2 cores of a Z80", "watts": 20.0}
    (checkpoint / "progress.json").write_text(json.dumps({"format_version": 2, "identity": {}, **progress}))
    return tmp_path


def test_the_bundle_holds_the_checkpoints_network_and_says_where_it_came_from(run_dir: Path, network: GPT2) -> None:
    bundle = open_bundle(export(RECIPE, run_dir))
    ids = torch.arange(20)[None]
    torch.testing.assert_close(load_gpt2(bundle)(ids), network.eval()(ids), atol=2e-3, rtol=0)  # fp16 on disk
    assert bundle.provenance["tokens_seen"] == 5120
    assert bundle.provenance["corpus_hash"] == "abc"
    assert bundle.layout.suffix_tokens == 8


def test_the_bundle_holds_what_usually_follows_in_the_corpus(run_dir: Path) -> None:
    path = open_bundle(export(RECIPE, run_dir)).drafts_path
    assert path is not None
    assert NgramTable.load(path, 280).propose([50, 60], 2, 0.5) == [70, 50]


def test_a_second_export_replaces_the_first_and_leaves_nothing_else(run_dir: Path) -> None:
    export(RECIPE, run_dir)
    export(RECIPE, run_dir)
    assert sorted(path.name for path in run_dir.iterdir()) == ["bundle", "checkpoints", "packed", "tokenizer"]


def test_without_a_checkpoint_the_next_step_is_named(run_dir: Path) -> None:
    (run_dir / "checkpoints" / "step-00000010").rename(run_dir / "elsewhere")
    with pytest.raises(CheckpointError, match="parrotlet-train fit"):
        export(RECIPE, run_dir)


def test_a_checkpoint_of_another_shape_is_refused_and_the_old_bundle_stays(run_dir: Path) -> None:
    before = open_bundle(export(RECIPE, run_dir)).fingerprint
    weights = run_dir / "checkpoints" / "step-00000010" / "model.safetensors"
    save_file({"wte.weight": torch.zeros(3, 3)}, weights)
    with pytest.raises(CheckpointError, match="put the recipe back"):
        export(RECIPE, run_dir)
    assert open_bundle(run_dir / "bundle").fingerprint == before


@pytest.fixture
def judged_run_dir(run_dir: Path) -> Path:
    export(RECIPE, run_dir)
    build_corpus(RECIPE.corpus, run_dir / "corpus")
    write_figures(run_dir / "evaluation", FIGURES, [])
    return run_dir


def test_the_card_names_every_source_with_its_licence_and_the_figures_beside_their_baselines(
    judged_run_dir: Path,
) -> None:
    card = write_card(RECIPE, judged_run_dir).read_text()
    trained, heldout = card.split("## Trained on")[1].split("## Held out")
    assert "| pluggy |" in trained
    assert "| MIT |" in trained
    assert "| iniconfig |" in heldout
    assert "| bits per byte | 1.234 | xz -9e, each file by itself: 2.345 |" in card
    assert "| line (100 tasks) | 25.0% ± 4.0% | 60.0% | 25.0% | 25.0% | 20.0% / 60.0% | 10.0% / 60.0% |" in card
    assert "pass@" not in card
    assert "$" not in card


def test_the_card_is_sealed_into_the_bundle_with_the_figures(judged_run_dir: Path) -> None:
    write_card(RECIPE, judged_run_dir)
    assert open_bundle(judged_run_dir / "bundle").provenance["heldout"]["bits_per_byte"] == 1.234


def test_the_card_says_what_the_training_ran_on_and_took(judged_run_dir: Path) -> None:
    assert (
        "60 minutes on 2 cores of a Z80, about 0.02 kWh by rated power, "
        in write_card(RECIPE, judged_run_dir).read_text()
    )
    checkpoint = judged_run_dir / "checkpoints" / "step-00000010" / "progress.json"
    old = {"format_version": 2, "identity": {}, "step": 10, "tokens": 5120, "seconds": 3600.0}
    checkpoint.write_text(json.dumps(old))
    export(RECIPE, judged_run_dir)
    assert "60 minutes, " in write_card(RECIPE, judged_run_dir).read_text()


def test_benchmarks_that_were_run_stand_on_the_card(judged_run_dir: Path) -> None:
    write_results(judged_run_dir / "evaluation", {"HumanEval": HUMANEVAL}, [])
    card = write_card(RECIPE, judged_run_dir).read_text()
    assert "| HumanEval (164 problems) | pass@1 2.0% ± 1.0%, pass@10 5.0% ± 2.0% | 20 at temperature 0.2 |" in card
    assert open_bundle(judged_run_dir / "bundle").provenance["code"]["HumanEval"]["num_samples"] == 20


def test_what_the_model_repeats_stands_on_the_card_where_it_was_measured(judged_run_dir: Path) -> None:
    assert "What it repeats" not in write_card(RECIPE, judged_run_dir).read_text()
    trained = Repeats(num_places=300, num_repeated=7, mean_characters=21.4, longest_characters=160, longest_place="a/b")
    canaries = tuple(CanaryFigures(copies=n, exposure=n / 2, is_extracted=n == 16) for n in (1, 16, 16))
    write_memorisation(
        judged_run_dir / "evaluation",
        Memorisation(trained=trained, heldout=Repeats(num_places=299), canaries=canaries),
    )
    card = write_card(RECIPE, judged_run_dir).read_text()
    assert "characters exactly at 7 of 300 places, and at 0 of 299 in held-out text" in card
    assert "| 1 | 0 of 1 | 0.5 bits |\n| 16 | 2 of 2 | 8.0 bits |\n\n## Training" in card


def test_a_card_that_cannot_be_written_leaves_the_bundle_as_it_was(
    judged_run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_bundle(judged_run_dir / "bundle").fingerprint
    monkeypatch.setattr("trainer.card.seal_bundle", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_card(RECIPE, judged_run_dir)
    assert open_bundle(judged_run_dir / "bundle").fingerprint == before


def test_a_card_without_figures_says_to_evaluate(judged_run_dir: Path) -> None:
    (judged_run_dir / "evaluation" / "figures.json").write_text('{"num_documents": 3}')
    with pytest.raises(EvaluationError, match="evaluate again"):
        write_card(RECIPE, judged_run_dir)


def test_only_permissively_licensed_text_makes_weights_with_a_licence(judged_run_dir: Path) -> None:
    assert "license: apache-2.0" not in write_card(RECIPE, judged_run_dir).read_text()
    permissive = replace(RECIPE, corpus=CorpusConfig(licences="permissive"))
    assert "license: apache-2.0" in write_card(permissive, judged_run_dir).read_text()
