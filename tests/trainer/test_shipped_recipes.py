"""Every recipe that ships, from end to end: its own settings at a tiny size, on a dozen files like its data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from lsp_server.model.bundle import EMBEDDED, open_bundle
from lsp_server.model.tokenizer import CodeTokenizer
from trainer import catalogue
from trainer.cli import main
from trainer.recipe import SHIPPED, find_recipe, load_recipe

NAMES = sorted(path.stem for path in SHIPPED.glob("*.toml"))
TUNED = [name for name in NAMES if load_recipe(find_recipe(name)).model.pretrained]
LICENCE = (
    "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy of this software.\n"
    'The software is provided "as is".\n'
)
TINY = [
    "corpus.heldout_sources=[]",
    "corpus.heldout_share=0.3",
    "corpus.min_documents=1",
    "corpus.near_duplicates=0",  # they are
    "corpus.min_comment_share=0",
    "tokenizer.vocab_size=320",
    "model.num_layers=2",
    "model.num_heads=2",
    "model.width=32",
    "model.context_tokens=64",
    "prompt.suffix_tokens=8",
    "prompt.new_tokens=8",
    "fit.batch_rows=2",
    "fit.accumulate=1",
    "fit.row_tokens=32",
    "fit.max_steps=2",
    "fit.max_tokens=0",
    "fit.minutes=0",
    "fit.eval_steps=1",
    "fit.samples=0",
    "fit.eval_rows=4",
    "fit.threads=1",
    "evaluate.max_bytes=300",
    "evaluate.tasks=1",
    "evaluate.memorised=2",
    "packing.canaries=1",
]


pytestmark = pytest.mark.usefixtures("fresh_accelerator")


@pytest.fixture(scope="module")
def look_alike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen modules under a permissive licence, each longer than a few rows."""
    folder = tmp_path_factory.mktemp("data") / "look-alike"
    folder.mkdir()
    (folder / "LICENSE").write_text(LICENCE)
    for number in range(12):
        functions = (
            f"def {verb}_{noun}({noun}, limit={number}):\n    if {noun} is None:\n        return limit\n"
            f"    return [{verb}(each) for each in {noun}.{noun}s if each != limit]\n"
            for verb in ("load", "save", "parse", "merge")
            for noun in ("record", "window", "column")
        )
        (folder / f"module_{number}.py").write_text(f'"""Module {number}."""\n\n\n' + "\n\n".join(functions))
    return folder


@pytest.fixture(scope="module")
def tiny_pretrained(tmp_path_factory: pytest.TempPathFactory, code_tokenizer: CodeTokenizer) -> Path:
    """Stands for DistilGPT-2 and for the embedded model."""
    folder = tmp_path_factory.mktemp("pretrained")
    code_tokenizer.save(folder / "raw.json")
    PreTrainedTokenizerFast(tokenizer_file=str(folder / "raw.json"), eos_token="<|endoftext|>").save_pretrained(folder)
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(vocab_size=320, n_positions=64, n_embd=32, n_layer=2, n_head=2)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", [name for name in NAMES if name != "ladder"])  # tests/trainer/ladder climbs that
def test_recipe_makes_a_judged_bundle(name: str, look_alike: Path, tiny_pretrained: Path, tmp_path: Path) -> None:
    changes = [*TINY, f"corpus.sources=['{look_alike}']"]
    if name in TUNED:
        changes.append(f"model.pretrained={tiny_pretrained}")
    if name == "personal":
        changes.append(f"tuning.replay_sources=['{look_alike}']")
    run_dir, sets = tmp_path / "run", [part for each in changes for part in ("--set", each)]

    assert main(["run", "--recipe", name, "--run", str(run_dir), *sets]) == 0

    bundle = open_bundle(run_dir / "bundle")
    assert bundle.provenance["steps"] in (1, 2)
    assert bundle.config["n_embd"] == 32
    assert 0 < json.loads((run_dir / "evaluation" / "figures.json").read_text())["bits_per_byte"] < 20
    assert (run_dir / "bundle" / "README.md").read_text().count("\n") > 10


@pytest.mark.parametrize("name", NAMES)
def test_recipe_names_its_data_in_its_comments(name: str) -> None:
    comments = [line for line in find_recipe(name).read_text().splitlines() if line.startswith("#")]
    assert comments
    assert max(map(len, comments)) <= 120
    if not name.startswith(("debug", "embedded")):  # those name packages as sources
        assert any(line.startswith("# Data: ") for line in comments)
        assert "http" in "".join(comments) or name == "personal", "its data is the user's own"


@pytest.mark.parametrize(
    ("name", "millions", "tokens"),
    [
        ("base", 34, 0),
        ("gpu", 111, 700_000_000),
        ("course", 124, 65_243 * 256 * 128),
        ("codeparrot-small", 111, 150_000 * 12 * 1024),
        ("codeparrot", 1530, 50_000 * 32 * 1024),
        ("python-next-token", 81, 65_000 * 4 * 256),
        ("embedded-cpu", 10, 0),
        ("embedded-more", 10, 0),
        ("ablation", 5, 0),
    ],
)
def test_sizes_are_those_that_were_published(name: str, millions: int, tokens: int) -> None:
    recipe = load_recipe(find_recipe(name))
    shape = catalogue.shape_of(recipe)
    assert shape is not None
    assert round(shape.num_parameters / 1e6) == millions
    assert catalogue.planned_tokens(recipe) == tokens


@pytest.mark.parametrize("name", ["base", "embedded-more"])
def test_every_package_that_is_held_out_is_fetched_to_be_judged_by(name: str) -> None:
    corpus = load_recipe(find_recipe(name)).corpus
    lines = (SHIPPED / "held-out.txt").read_text().splitlines()
    packages = {line.removeprefix("package:") for line in lines if line.startswith("package:")}
    assert packages == {source for source in corpus.heldout_sources if "/" not in source}
    assert "list:held-out.txt" in corpus.sources


def test_the_embedded_models_parameters_are_counted_right() -> None:
    shape = catalogue.shape_of(load_recipe(find_recipe("embedded-cpu")))
    config = json.loads((EMBEDDED / "config.json").read_text())
    assert shape is not None
    assert (shape.num_layers, shape.width, shape.vocab_size) == (
        config["n_layer"],
        config["n_embd"],
        config["vocab_size"],
    )


def test_recipes_are_listed_with_their_cost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trainer import pace

    monkeypatch.setattr(pace, "SECONDS", 0.0)
    monkeypatch.setattr(pace, "training_flops", lambda: 1e12)
    assert main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = {line.split("|")[1].strip(): line for line in lines if line.startswith("| ")}
    assert set(table) == {"recipe", *NAMES}
    assert "75 min" in table["embedded-cpu"], "the clock ends it"
    assert "10 min" in table["ladder"]
    assert "19 days" in table["course"], "2.1 G tokens of 0.77 GFLOP each at 1 TFLOP/s"
    assert "DistilGPT-2" in table["python-next-token"]
    assert "(extends base)" in table["embedded-more"]
    assert "1,000 GFLOP/s" in lines[-3]


def test_the_machines_pace_is_measured() -> None:
    from trainer.pace import training_flops

    assert training_flops() > 1e8


def test_windows_are_set_on_the_command_line(
    look_alike: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = tmp_path / "run"
    changes = [*TINY, f"corpus.sources=['{look_alike}']"]
    sets = [part for each in changes for part in ("--set", each)]
    assert main(["corpus", "--recipe", "debug", "--run", str(run_dir), *sets]) == 0
    assert main(["tokenizer", "--run", str(run_dir), "--segment-len", "48", "--stride", "10"]) == 0
    recipe = load_recipe(run_dir / "recipe.toml")
    assert (recipe.fit.row_tokens, recipe.dataset.mode, recipe.dataset.stride) == (48, "strided", 10)
    assert main(["pack", "--run", str(run_dir), "--stride", "0"]) == 2
    assert "--stride is 0: choose 1 or more" in capsys.readouterr().err
    assert main(["pack", "--run", str(run_dir), "--stride", "400"]) == 2
    assert "dataset.stride is 400, more than fit.row_tokens 48" in capsys.readouterr().err
