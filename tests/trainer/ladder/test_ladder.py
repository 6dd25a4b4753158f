"""The whole ladder on a small corpus, as the command climbs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lsp_server.errors import CorpusError
from lsp_server.model.gpt2 import GPT2, GPT2Config
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.cli import main
from trainer.evaluate.likelihood import Likelihood, scorer_of
from trainer.ladder import rungs
from trainer.ladder.heldout import HeldOut, network_nats
from trainer.ladder.report import render_table
from trainer.ladder.rungs import RungResult, rungs_of
from trainer.recipe import parse_recipe

RUNGS = ["bigram, add one", "bigram, back-off", "4-gram, back-off", "RNN with attention", "GPT-2, 1 layer"]
SMALL = [
    "corpus.heldout_share=0.2",
    "tokenizer.vocab_size=320",
    "model.width=32",
    "model.num_heads=2",
    "model.context_tokens=64",
    "prompt.suffix_tokens=8",
    "prompt.new_tokens=8",
    "fit.row_tokens=32",
    "fit.batch_rows=2",
    "fit.max_steps=2",
    "fit.samples=0",
    "fit.eval_rows=4",
    "fit.threads=1",
    "ladder.depths=[1]",
    "ladder.minutes=0",
]


pytestmark = pytest.mark.usefixtures("fresh_accelerator")


@pytest.fixture
def project(tmp_path: Path, write_files: Callable[..., Path], module: Callable[[int], str]) -> Path:
    return write_files(tmp_path / "project", {f"{number}.py": module(number) for number in range(30)})


def ladder(project: Path, run_dir: Path, *changes: str) -> int:
    settings = [part for change in (*SMALL, *changes) for part in ("--set", change)]
    return main(["ladder", str(project), "--run", str(run_dir), *settings])


def test_the_ladder_is_climbed_told_and_not_climbed_twice(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = tmp_path / "run"
    assert ladder(project, run_dir) == 0
    told = capsys.readouterr().out
    figures = json.loads((run_dir / "ladder.json").read_text())

    assert [rung["name"] for rung in figures["rungs"]] == RUNGS
    assert all(0 < rung["bits_per_byte"] < 10 and rung["num_parameters"] for rung in figures["rungs"])
    by_name = {rung["name"]: rung for rung in figures["rungs"]}
    assert by_name["4-gram, back-off"]["bits_per_byte"] < by_name["bigram, back-off"]["bits_per_byte"]
    assert by_name["bigram, back-off"]["bits_per_byte"] < by_name["bigram, add one"]["bits_per_byte"]
    assert by_name["GPT-2, 1 layer"]["tokens_seen"] == 2 * 2 * 32
    assert (run_dir / "ladder.md").read_text().strip() in told
    assert (run_dir / "ladder.png").read_bytes().startswith(b"\x89PNG")

    assert main(["ladder", "--run", str(run_dir)]) == 0
    again = capsys.readouterr().out
    assert again.count("unchanged") == 3 + len(RUNGS)

    assert main(["ladder", "--run", str(run_dir), "--set", "ladder.recurrent_layers=0", "--set", "seed=5"]) == 0
    changed = capsys.readouterr().out
    assert "RNN" not in changed
    assert changed.count("unchanged") == 3 + 3, "another seed changes the networks, not the counts"


def test_an_interrupted_ladder_goes_on_where_it_stood(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those below the rung that was training are not made again; that rung has its own checkpoints."""
    run_dir, real_fit = tmp_path / "run", rungs.fit

    def interrupted_fit(recipe: rungs.Recipe, folder: Path) -> Path:
        if recipe.model.family == "gpt2":
            raise KeyboardInterrupt
        return real_fit(recipe, folder)

    with monkeypatch.context() as patch:
        patch.setattr(rungs, "fit", interrupted_fit)
        assert ladder(project, run_dir) == 130
    capsys.readouterr()

    assert main(["ladder", "--run", str(run_dir)]) == 0
    assert capsys.readouterr().out.count("unchanged") == 3 + 4


def test_time_is_shared_among_the_networks_that_learn() -> None:
    recipe = parse_recipe({"run": "a", "fit": {"max_steps": 9}, "ladder": {"minutes": 8, "depths": [1, 2, 4]}})
    minutes = [rung.recipe.fit.minutes for rung in rungs_of(recipe) if rung.family != "counts"]
    assert minutes == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("ladder.depths=[0]", "ladder.depths is 0: choose a value from 1"),
        ("ladder.depths=[2, 2]", "name each depth once"),
        ("ladder.depth=2", "did you mean ladder.depths?"),
        ("corpus.heldout_share=0", "nothing was held out"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, message: str
) -> None:
    assert ladder(project, tmp_path / "run", change) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_windows_read_together_cost_what_they_cost_alone(code_tokenizer: CodeTokenizer) -> None:
    """The slow twin is the judge's own likelihood."""
    torch.manual_seed(3)
    network = GPT2(GPT2Config(vocab_size=320, context_tokens=16, width=16, num_layers=1, num_heads=2)).eval()
    torch.nn.init.normal_(network.wte.weight)  # certain enough that places matter
    texts = ["value = 1\n" * 9, "return x", "def f(a, b):\n    return a\n" * 3]
    ids = [np.asarray([code_tokenizer.end_of_text, *code_tokenizer.encode(text)]) for text in texts]

    alone = sum((scorer_of(network, code_tokenizer).score(text) for text in texts), Likelihood())

    assert network_nats(network, ids, 16) == pytest.approx(alone.nats, rel=1e-4)
    heldout = HeldOut(documents=tuple(ids), num_bytes=alone.num_bytes)
    assert heldout.num_tokens == alone.num_tokens
    assert heldout.bits_per_byte(alone.nats) == pytest.approx(alone.bits_per_byte)
    assert heldout.perplexity(alone.nats) == pytest.approx(np.exp(alone.nats / alone.num_tokens))


def test_held_out_text_that_is_empty_is_refused(
    make_corpus: Callable[..., Path], code_tokenizer: CodeTokenizer
) -> None:
    corpus = make_corpus(["a = 1\n"], [""])
    with pytest.raises(CorpusError, match="held-out text is empty"):
        HeldOut.open(parse_recipe({"run": "a"}), corpus.parent, code_tokenizer)


def test_the_tables_columns_line_up() -> None:
    values = {"tokens_seen": 5, "nats_per_token": 1.0, "bits_per_byte": 1.0, "scoring_seconds": 1.0}
    results = [
        RungResult(name="a", family="counts", num_parameters=1, seconds=1.0, perplexity=2.0, **values),
        RungResult(name="a longer name", family="rnn", num_parameters=10**9, seconds=90.0, perplexity=2e4, **values),
    ]
    lines = render_table(results).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "1,000,000,000" in lines[3]
    assert "1.5 min" in lines[3]
