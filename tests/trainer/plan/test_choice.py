"""Plans made from a scripted machine, and the laws behind them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.errors import CorpusError, RecipeError
from lsp_server.model.gpt2 import GPT2, GPT2Config
from trainer import cli
from trainer.config import Recipe
from trainer.fit.config import FitConfig
from trainer.packing import read_index
from trainer.plan import probe
from trainer.plan.choice import Probe, Text, make_plan
from trainer.plan.command import packed_tokens
from trainer.plan.laws import effective_parameters, effective_tokens, expected_loss
from trainer.plan.shapes import Size, sizes
from trainer.plan.words import in_words
from trainer.recipe import load_recipe, parse_recipe
from trainer.recipe_file import to_toml

BASE = Recipe(run="base", fit=FitConfig(max_steps=10, fim_rate=0.7, learning_rate=0.5))
SOME = Text(num_bytes=60_000_000)


def machine(flops: float) -> Probe:
    """A machine of so many FLOP/s, whatever the size: 6 for each parameter and token."""

    def measured(size: Size, config: FitConfig) -> float:
        assert config.row_tokens == size.model.context_tokens
        return flops / (6 * size.num_parameters)

    return measured


@pytest.mark.parametrize(("epochs", "worth"), [(1, 1.0), (4, 3.7), (8, 6.6), (16, 10.6)])
def test_repeats_are_worth_what_the_paper_says(epochs: float, worth: float) -> None:
    assert effective_tokens(1e6, epochs * 1e6) / 1e6 == pytest.approx(worth, abs=0.05)


@given(unique=st.floats(1e5, 1e10), seen=st.floats(1e5, 1e12), parameters=st.floats(1e6, 1e9))
def test_more_never_hurts_and_repeats_are_never_worth_more_than_unseen_text(
    unique: float, seen: float, parameters: float
) -> None:
    worth = effective_tokens(unique, seen)

    assert worth <= seen * (1 + 1e-9)
    assert worth <= effective_tokens(unique, 2 * seen) * (1 + 1e-9)
    assert effective_parameters(parameters, unique) <= parameters * (1 + 1e-9)
    assert expected_loss(parameters, unique, 2 * seen) <= expected_loss(parameters, unique, seen) * (1 + 1e-9)


@pytest.mark.parametrize("size", sizes(4096), ids=lambda size: str(size.model.width))
def test_parameters_are_counted_as_the_network_has_them(size: Size) -> None:
    import torch

    model = size.model
    with torch.device("meta"):
        network = GPT2(
            GPT2Config(
                vocab_size=size.vocab_size,
                context_tokens=model.context_tokens,
                width=model.width,
                num_layers=model.num_layers,
                num_heads=model.num_heads,
            )
        )

    assert size.num_parameters == network.num_parameters


def test_more_time_and_a_faster_machine_choose_larger_models() -> None:
    chosen = [
        make_plan(BASE, replace(SOME, num_bytes=2_000_000_000), minutes, machine(flops), on_gpu=False).chosen
        for minutes, flops in ((5, 2e11), (60, 2e11), (25, 4e14))
    ]

    counts = [outlook.size.num_parameters for outlook in chosen]
    assert counts == sorted(counts)
    assert counts[0] < counts[2]


def test_sizes_are_tried_until_the_expected_loss_rises() -> None:
    plan = make_plan(BASE, SOME, 5, machine(2e11), on_gpu=False)

    losses = [outlook.loss for outlook in plan.tried]
    assert len(losses) < len(sizes(8192))
    assert losses[-1] > losses[-2]
    assert plan.chosen.loss == min(losses)


def test_the_recipe_fills_the_time_and_keeps_what_the_plan_says_nothing_of() -> None:
    plan = make_plan(BASE, SOME, 30, machine(2e11), on_gpu=False)

    fit = plan.recipe.fit
    assert (fit.minutes, fit.max_steps, fit.max_tokens) == (30, 0, 0)
    assert fit.fim_rate == 0.7
    assert plan.recipe.model.width == plan.chosen.size.model.width
    assert plan.recipe.tokenizer.vocab_size == 8192
    steps = plan.chosen.seen_tokens / (fit.batch_rows * fit.accumulate * fit.row_tokens)
    assert 500 < steps < 7000


def test_text_that_is_repeated_is_dropped_out_and_decays_more() -> None:
    once = make_plan(BASE, SOME, 5, machine(2e11), on_gpu=False).recipe
    often = make_plan(BASE, replace(SOME, num_bytes=1_000_000), 60, machine(2e11), on_gpu=False).recipe

    assert (once.model.dropout, once.fit.weight_decay, once.fit.export) == (0.0, 0.1, "last")
    assert (often.model.dropout, often.fit.weight_decay, often.fit.export) == (0.1, 0.3, "best")


def test_a_run_ends_where_repeats_teach_nothing_and_says_so() -> None:
    plan = make_plan(BASE, replace(SOME, num_bytes=300_000), 600, machine(1e13), on_gpu=True)

    assert plan.recipe.fit.max_tokens == pytest.approx(40 * plan.chosen.unique_tokens, rel=1e-6)
    assert "beyond 40 epochs repeats teach nothing" in in_words(plan)


def test_a_time_that_is_too_short_is_told() -> None:
    plan = make_plan(BASE, SOME, 0.5, machine(1e10), on_gpu=False)

    assert "fewer than 200 steps teach little: give it about" in in_words(plan)


def test_what_is_packed_is_counted_and_not_guessed() -> None:
    text = Text(num_bytes=60_000_000, num_tokens=12_345_678, vocab_size=16_384)
    plan = make_plan(BASE, text, 5, machine(2e11), on_gpu=False)

    assert plan.chosen.unique_tokens == 12_345_678
    assert plan.recipe.tokenizer.vocab_size == 16_384
    assert "MB, 12.3 million tokens of a vocabulary of 16,384" in in_words(plan)


def test_a_packed_corpus_counts_only_while_it_is_the_corpus(packed_run: Path) -> None:
    index = read_index(packed_run / "packed")

    assert packed_tokens(packed_run, index["corpus_hash"]) == {
        "num_tokens": index["splits"]["train"]["tokens"],
        "vocab_size": 320,
    }
    assert packed_tokens(packed_run, "another") == {}
    assert packed_tokens(packed_run / "nowhere", "another") == {}


def test_too_little_text_and_impossible_times_are_told() -> None:
    with pytest.raises(CorpusError, match=r"has 1,000 bytes to train on, too few .* add sources"):
        make_plan(BASE, replace(SOME, num_bytes=1000), 5, machine(2e11), on_gpu=False)
    with pytest.raises(RecipeError, match="--minutes is 0: choose a value from"):
        make_plan(BASE, SOME, 0, machine(2e11), on_gpu=False)


def test_the_plan_is_told_before_the_run_written_as_a_recipe_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "project"
    sources.mkdir()
    for number in range(40):
        lines = "".join(f"value_{number}_{line} = compute({line}, {number * 7})\n" for line in range(300))
        (sources / f"module_{number}.py").write_text(f'"""Module {number}."""\n\n{lines}')
    recipe = parse_recipe({"run": "mine", "corpus": {"sources": [str(sources)]}, "fit": {"minutes": 1.0}})
    (tmp_path / "base.toml").write_text(to_toml(recipe))
    asked: list[int] = []

    def scripted(size: Size, config: FitConfig) -> float:
        asked.append(size.model.width)
        return machine(2e11)(size, config)

    monkeypatch.setattr(probe, "measure", scripted)
    command = [
        "run",
        "--recipe",
        str(tmp_path / "base.toml"),
        "--run",
        str(tmp_path / "run"),
        "--minutes",
        "2",
        "--plan",
    ]

    assert cli.main(command) == 0
    told = capsys.readouterr().out
    assert "Plan for 2 minutes" in told
    assert "corpus: " in told
    assert "pack: " not in told, "--plan stops before the run"
    written = load_recipe(tmp_path / "run" / "recipe.toml")
    assert written.fit.minutes == 2.0
    assert written.corpus == recipe.corpus
    assert json.loads((tmp_path / "run" / "plan.json").read_text())["minutes"] == 2.0
    num_asked = len(asked)
    assert cli.main(["plan", "--run", str(tmp_path / "run"), "--minutes", "2"]) == 0
    assert "planned before" in capsys.readouterr().out
    assert len(asked) == num_asked, "the same question gets the same plan, without measuring again"
    assert cli.main(["run", "--run", str(tmp_path / "run"), "--plan"]) == 2
    assert "--plan goes with --minutes" in capsys.readouterr().err
