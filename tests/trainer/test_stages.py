"""The chain: order, what is left out when nothing changed, and what is not recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lsp_server.errors import BusyError
from trainer.config import CorpusConfig, Recipe
from trainer.stages import STAGES, Stage, is_finished, run_chain, run_stage

RECIPE = Recipe(run="test")


def copying_stage(name: str, source: str, runs: list[str]) -> Stage:
    """A stage that copies one file of the run folder to another."""

    def run(recipe: Recipe, run_dir: Path) -> str:
        runs.append(name)
        (run_dir / name).write_text((run_dir / source).read_text())
        return "copied"

    return Stage(name=name, output=name, inputs=lambda _, run_dir: (run_dir / source).read_text(), run=run)


def test_finished_stages_run_again_only_when_their_inputs_change(tmp_path: Path) -> None:
    runs: list[str] = []
    reports: list[tuple[str, str]] = []
    stages = (copying_stage("first", "source", runs), copying_stage("second", "first", runs))
    (tmp_path / "source").write_text("1")

    def run() -> list[str]:
        runs.clear()
        reports.clear()
        run_chain(RECIPE, tmp_path, lambda name, summary: reports.append((name, summary)), stages)
        return list(runs)

    assert run() == ["first", "second"]
    assert run() == []
    assert reports == [("first", "unchanged"), ("second", "unchanged")]
    (tmp_path / "second").unlink()
    assert run() == ["second"]
    (tmp_path / "source").write_text("2")
    assert run() == ["first", "second"]


def test_a_stage_that_fails_is_not_recorded_even_if_it_was_before(tmp_path: Path) -> None:
    fails: list[bool] = []

    def run(recipe: Recipe, run_dir: Path) -> str:
        if fails:
            raise OSError("no space")
        (run_dir / "out").write_text("")
        return ""

    stage = Stage(name="stage", output="out", inputs=lambda *_: "same", run=run)
    run_stage(stage, RECIPE, tmp_path)
    assert is_finished(stage, RECIPE, tmp_path)
    fails.append(True)
    with pytest.raises(OSError, match="no space"):
        run_stage(stage, RECIPE, tmp_path)
    assert not is_finished(stage, RECIPE, tmp_path)


@pytest.mark.parametrize("content", ["", "[]", '{"stage": 3}'])
def test_a_damaged_record_means_not_finished(tmp_path: Path, content: str) -> None:
    (tmp_path / "stages.json").write_text(content)
    (tmp_path / "out").write_text("")
    stage = Stage(name="stage", output="out", inputs=lambda *_: "same", run=lambda *_: "")
    assert not is_finished(stage, RECIPE, tmp_path)


def test_the_chain_is_in_order() -> None:
    assert [stage.name for stage in STAGES] == ["corpus", "tokenizer", "pack", "fit", "export", "evaluate", "card"]


def test_tokenizer_follows_the_corpus_and_its_own_settings(tmp_path: Path, write_files, module) -> None:  # type: ignore[no-untyped-def]
    folder = write_files(tmp_path / "project", {f"{number}.py": module(number) for number in range(20)})
    recipe = replace(RECIPE, corpus=CorpusConfig(sources=(str(folder),)))
    corpus, tokenizer, pack = STAGES[:3]
    run_dir = tmp_path / "run"
    run_stage(corpus, recipe, run_dir)
    before = tokenizer.inputs(recipe, run_dir)
    assert is_finished(corpus, recipe, run_dir)
    assert tokenizer.inputs(replace(recipe, tokenizer=replace(recipe.tokenizer, vocab_size=512)), run_dir) != before
    write_files(folder, {"new.py": module(99)})
    assert not is_finished(corpus, recipe, run_dir)
    run_stage(corpus, recipe, run_dir)
    assert tokenizer.inputs(recipe, run_dir) != before
    assert not is_finished(pack, recipe, run_dir)


@pytest.mark.parametrize(("rank", "is_refused"), [(None, True), ("0", True), ("1", False)])
def test_a_run_folder_belongs_to_one_process_or_to_those_that_were_launched_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: str | None, is_refused: bool
) -> None:
    def run_within(recipe: Recipe, run_dir: Path) -> str:
        if rank is not None:
            monkeypatch.setenv("RANK", rank)
        inner = Stage(name="inner", output="inner", inputs=lambda *_: "", run=lambda *_: "done")
        if not is_refused:
            return run_stage(inner, recipe, run_dir)
        with pytest.raises(BusyError, match="another process works in"):
            run_stage(inner, recipe, run_dir)
        return "refused"

    outer = Stage(name="outer", output="outer", inputs=lambda *_: "", run=run_within)
    assert run_stage(outer, RECIPE, tmp_path) == ("refused" if is_refused else "done")
