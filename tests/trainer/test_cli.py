"""The command line: what it wires together, and one line for every mistake."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.cli import main
from trainer.corpus.store import read_documents, read_manifest
from trainer.recipe import load_recipe
from trainer.stages import STAGES


@pytest.fixture
def project(tmp_path: Path, write_files: Callable[..., Path], module: Callable[[int], str]) -> Path:
    return write_files(tmp_path / "project", {f"{number}.py": module(number) for number in range(40)})


@pytest.fixture
def recipe(tmp_path: Path, project: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(f'run = "mine"\n[corpus]\nsources = ["{project}"]\n[tokenizer]\nvocab_size = 512\n')
    return path


def test_every_stage_has_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = capsys.readouterr().out
    for stage in STAGES:
        assert re.search(rf"^    {stage.name}\b", commands, flags=re.MULTILINE)


def test_corpus_from_sources_needs_no_recipe(tmp_path: Path, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", str(project), "--out", str(tmp_path / "corpus")]) == 0
    assert read_manifest(tmp_path / "corpus").num_documents("train") > 30
    assert capsys.readouterr().out.startswith("corpus: ")


def test_corpus_options_reach_the_corpus(tmp_path: Path, project: Path, write_files: Callable[..., Path]) -> None:
    judged = write_files(tmp_path / "judged", {"a.py": "# a value\nvalue = 1\n"})
    arguments = ["--out", str(tmp_path / "corpus"), "--heldout", "judged", "--exclude", "project/1*"]
    assert main(["corpus", str(project), str(judged), *arguments]) == 0
    assert [document.source for document in read_documents(tmp_path / "corpus", "heldout")] == ["judged"]
    assert read_manifest(tmp_path / "corpus").dropped["excluded"] == 11
    assert main(["corpus", str(project), "--permissive", "--out", str(tmp_path / "other")]) == 2


def test_the_recipe_is_remembered_in_the_run_folder(tmp_path: Path, recipe: Path) -> None:
    run_dir = tmp_path / "run"
    assert main(["corpus", "--recipe", str(recipe), "--run", str(run_dir)]) == 0
    recipe.unlink()
    assert main(["corpus", "--run", str(run_dir)]) == 0
    assert read_manifest(run_dir / "corpus").num_documents("train") > 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["corpus", "/no/such/folder", "--out", "OUT"], "'/no/such/folder' is not a folder"),
        (["corpus"], "nothing to collect: name sources and --out, or --recipe and --run"),
        (["corpus", "stdlib"], "use one of the two"),
        (["corpus", "stdlib", "--out", "OUT", "--recipe", "debug"], "use one of the two"),
        (["fit", "--run", "OUT"], "has no recipe.toml yet: name one with --recipe"),
        (["fit", "--run", "OUT", "--recipe", "no-such"], "course, debug, embedded-cpu"),
        (["fit", "--run", "OUT", "--recipe", "BAD"], "did you mean model?"),
        (["tokenizer", "--run", "OUT", "--recipe", "RECIPE"], "holds no finished corpus"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(
    tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('run = "a"\n[modle]\n')
    places = {"OUT": str(tmp_path / "out"), "BAD": str(bad), "RECIPE": str(recipe)}
    assert main([places.get(argument, argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("parrotlet-train: ")
    assert error.count("\n") == 1


def test_verbose_shows_where_an_error_arose(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "--verbose"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_mistake_in_a_recipe_is_told_before_torch_is_loaded(tmp_path: Path) -> None:
    script = (
        "import sys; from trainer.cli import main; status = main(sys.argv[1:]);"
        "sys.exit(99 if {'torch', 'numpy', 'tokenizers'} & set(sys.modules) else status)"
    )
    command = [sys.executable, "-c", script, "fit", "--recipe", "no-such", "--run", str(tmp_path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2


def test_changes_are_checked_and_remembered(tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_dir = tmp_path / "run"
    arguments = ["corpus", "--recipe", str(recipe), "--run", str(run_dir)]
    assert main([*arguments, "--set", "fit.learningrate=1"]) == 2
    assert "did you mean fit.learning_rate?" in capsys.readouterr().err
    assert not run_dir.exists(), "nothing is remembered of a mistake"
    assert main([*arguments, "--set", "fit.max_steps=7", "--set", "corpus.heldout_share=0.2"]) == 0
    assert load_recipe(run_dir / "recipe.toml").fit.max_steps == 7
    assert read_manifest(run_dir / "corpus").num_documents("heldout") > 2


def test_a_plan_takes_changes_and_refuses_a_pretrained_model(
    tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", "--recipe", str(recipe), "--run", str(tmp_path / "run"), "--minutes", "1", "--plan"]
    assert main([*arguments, "--set", "model.pretrained=embedded"]) == 2
    assert "--set fit.minutes=N" in capsys.readouterr().err
