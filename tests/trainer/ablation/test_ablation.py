"""An ablation of the debug recipe as the command makes it, and the choice of variants."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.errors import RecipeError
from trainer.ablation.report import render_table
from trainer.ablation.training import VariantResult
from trainer.ablation.variants import USUAL, chosen_variants, equal_budget
from trainer.cli import main
from trainer.corpus import read_manifest
from trainer.evaluate.figures import load_figures
from trainer.evaluate.metrics import Mean
from trainer.recipe import find_recipe, load_recipe, parse_recipe

SMALL = [
    "corpus.licences=any",
    "corpus.near_duplicates=0.9",
    "corpus.heldout_sources=[]",
    "corpus.heldout_share=0.2",
    "tokenizer.vocab_size=320",
    "model.width=32",
    "model.num_heads=2",
    "model.context_tokens=64",
    "prompt.suffix_tokens=8",
    "prompt.new_tokens=8",
    "fit.row_tokens=32",
    "fit.batch_rows=2",
    "fit.samples=0",
    "fit.eval_rows=4",
    "fit.threads=1",
    "fit.checkpoint_steps=1",
    "evaluate.max_bytes=400",
    "evaluate.tasks=2",
    "evaluate.memorised=0",
    "packing.canaries=0",
]

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


@pytest.fixture
def project(tmp_path: Path, write_files: Callable[..., Path], module: Callable[[int], str]) -> Path:
    """Thirty modules, two of which have a twin that differs by a line."""
    files = {f"{number}.py": module(number) for number in range(30)}
    for number in (3, 4):
        files[f"{number}.py"] += "".join(f"value_{number}_{line} = {line}\n" for line in range(60))
        files[f"twin_{number}.py"] = files[f"{number}.py"] + "last = 1\n"
    return write_files(tmp_path / "project", files)


def ablate(project: Path, run_dir: Path, *arguments: str) -> int:
    changes = [*SMALL, f"corpus.sources=['{project}']"]
    settings = [part for change in changes for part in ("--set", change)]
    return main(["ablate", "--recipe", "debug", "--run", str(run_dir), *settings, *arguments])


def test_variants_are_trained_alike_judged_alike_told_and_not_made_twice(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = tmp_path / "run"
    assert ablate(project, run_dir, "--tokens", "192", "--also", "fit.optimizer=adamw") == 0
    told = capsys.readouterr().out
    figures = json.loads((run_dir / "ablation.json").read_text())
    results = {each["name"]: each for each in figures["variants"]}
    assert list(results) == ["as-it-is", "no-fim", "no-dedup", "half-data", "fit.optimizer=adamw"]
    assert {each["tokens_seen"] for each in results.values()} == {192}
    assert all(0 < each["bits_per_byte"] < 12 for each in results.values())
    assert len({each["bits_per_byte"] for each in results.values()}) == 5, "each learnt something else"
    assert results["half-data"]["train_tokens"] < 0.8 * results["as-it-is"]["train_tokens"]
    assert results["half-data"]["epochs"] > results["as-it-is"]["epochs"]
    assert set(results["no-fim"]["exact"]) == {"line", "word", "block", "span"} & set(results["as-it-is"]["exact"])
    assert (run_dir / "ablation.md").read_text().strip() in told
    assert "no-dedup: it may have been trained on near duplicates" in told

    before = (run_dir / "ablation.json").read_text()
    assert main(["ablate", "--run", str(run_dir), "--also", "fit.optimizer=adamw"]) == 0
    assert capsys.readouterr().out.count("a byte, unchanged") == 5
    assert (run_dir / "ablation.json").read_text() == before


def test_without_removal_the_corpus_is_larger_and_the_judging_text_the_same(project: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    assert ablate(project, run_dir, "--tokens", "64", "--variants", "as-it-is,no-dedup") == 0
    as_it_is, no_dedup = run_dir / "variants" / "as-it-is", run_dir / "variants" / "no-dedup"
    first, second, third = (
        sum(read_manifest(folder / "corpus").num_documents(split) for split in ("train", "heldout"))
        for folder in (run_dir, as_it_is, no_dedup)
    )
    assert first == second == third - 2
    mine, other = (load_figures(folder / "evaluation" / "figures.json") for folder in (as_it_is, no_dedup))
    assert (mine.num_bytes, mine.xz_bits_per_byte) == (other.num_bytes, other.xz_bits_per_byte)
    vocabularies = [(folder / "tokenizer" / "tokenizer.json").read_text() for folder in (as_it_is, no_dedup)]
    assert vocabularies[0] == vocabularies[1]


def test_an_interrupted_ablation_goes_on_with_the_variant_that_it_was_at(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trainer.ablation import training

    measured = training.evaluate_model
    judged_on: list[object] = []

    def fail_once(bundle: Path, documents: object, *arguments: object) -> object:
        judged_on.append(documents)
        if len(judged_on) == 2:
            raise KeyboardInterrupt
        return measured(bundle, documents, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "evaluate_model", fail_once)
    arguments = ["--tokens", "64", "--variants", "as-it-is,no-fim"]
    assert ablate(project, tmp_path / "run", *arguments) == 130
    assert not (tmp_path / "run" / "ablation.md").exists()
    capsys.readouterr()
    assert ablate(project, tmp_path / "run", *arguments) == 0
    told = capsys.readouterr().out
    assert "as-it-is: " in told
    assert told.count("a byte, unchanged") == 1
    assert "no-fim, fit: unchanged" in told
    assert len(judged_on) == 3
    assert judged_on[0] is judged_on[1], "all are judged on the text of the unchanged corpus"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--variants", "no-code"], "--variants has no-code: choose of as-it-is, no-fim, no-dedup, half-data"),
        (["--also", "fit"], "is not KEY=VALUE"),
        (["--also", "fit.learningrate=1"], "did you mean fit.learning_rate"),
        (["--minutes", "1", "--tokens", "5"], "equal in one of the two"),
        (["--minutes", "0"], "choose more than 0"),
    ],
)
def test_a_mistake_is_told_before_anything_is_trained(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert ablate(project, tmp_path / "run", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run" / "corpus").exists()


def test_a_budget_of_time_or_tokens_is_the_only_end() -> None:
    assert equal_budget(None, None) == []
    assert equal_budget(2, None) == ["fit.minutes=2.0", "fit.max_tokens=0", "fit.max_steps=0"]
    assert "fit.max_tokens=5" in equal_budget(None, 5)


def test_variants_are_named_once_and_by_what_they_change() -> None:
    assert [each.name for each in chosen_variants("", ())] == [each.name for each in USUAL]
    own = chosen_variants("no-fim,no-fim", ["model.num_layers = 2", "run=a/b"])
    assert [each.name for each in own] == ["no-fim", "model.num_layers=2", "run=a-b"]


def test_half_of_what_streams_or_is_searched_for_repeats_is_refused() -> None:
    half = {"run": "a", "packing": {"train_share": 0.5}}
    assert parse_recipe(half).packing.train_share == 0.5
    for more in ({"dataset": {"mode": "stream"}}, {"evaluate": {"memorised": 3}}):
        with pytest.raises(RecipeError, match=r"packing\.train_share is 0\.5"):
            parse_recipe({**half, **more})


def test_the_table_has_a_column_for_each_kind_of_task() -> None:
    mean = Mean(value=0.25, error=0.021, num=400)
    result = VariantResult(
        name="as-it-is",
        changes=(),
        train_tokens=2_000_000,
        tokens_seen=3_000_000,
        seconds=90.0,
        bits_per_byte=1.2345,
        next_token_accuracy=0.5,
        exact={"line": mean, "span": Mean()},
    )
    head, _, row = render_table([result]).split("\n")
    assert [cell.strip() for cell in head.strip("|").split("|")][-2:] == ["line exact", "span exact"]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["as-it-is", "3,000,000", "1.50", "1.5", "1.234", "25.0% ± 2.1%", "-"]


def test_the_shipped_recipe_is_a_small_network_on_the_text_of_base() -> None:
    small, base = load_recipe(find_recipe("ablation")), load_recipe(find_recipe("base"))
    assert small.corpus.heldout_sources == base.corpus.heldout_sources
    assert small.corpus.exclude == base.corpus.exclude
    assert (small.model.width, small.fit.accumulate) == (256, 1)
