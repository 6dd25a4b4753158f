"""From a folder to a model that answers: accepted, refused, broken off and gone on; and whatever bad may come."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.errors import LibraryError
from lsp_server.library import choice
from lsp_server.library.shelf import Shelf
from lsp_server.model.bundle import Bundle, open_bundle
from trainer.cli import main
from trainer.corpus import read_documents
from trainer.fit.checkpoint import latest_checkpoint, read_progress

from .conftest import module

KEY = "AK" + "IA" + "Q7R2" * 4


@pytest.fixture
def personal(
    tiny_bundle: Bundle,
    tmp_path: Path,
    write_files: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., tuple[int, list[dict[str, object]], str]]:
    """Run the command with a small base and small steps; returns the exit code, the lines of JSON, and stderr."""
    monkeypatch.setattr("trainer.personal.courtesy.step_back", lambda: None)  # it would hold for all tests to come
    replayed = write_files(tmp_path / "replayed", {f"r{number}.py": module(900 + number, 8) for number in range(60)})
    small = {
        "tuning.replay_sources": f"['{replayed}']",
        "corpus.near_duplicates": "0",  # they are
        "fit.precision": "fp32",
        "fit.threads": "1",
        "fit.max_steps": "60",
        "fit.eval_steps": "20",
        "fit.eval_rows": "4",
        "fit.checkpoint_steps": "10",
        "fit.learning_rate": "1e-2",
        "fit.spike_nats": "0",
    }

    def run(*arguments: str, **changes: str) -> tuple[int, list[dict[str, object]], str]:
        settings = {**small, **{key.replace("__", "."): value for key, value in changes.items()}}
        options = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        base = () if "--base" in arguments else ("--base", str(tiny_bundle.path))
        code = main(["personal", *arguments, *base, "--minutes", "0.5", "--progress", "json", *options])
        said = capsys.readouterr()
        return code, [json.loads(line) for line in said.out.splitlines()], said.err

    return run


Personal = Callable[..., tuple[int, list[dict[str, object]], str]]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_model_that_got_better_answers_from_then_on(
    personal: Personal, repository: Path, models: Path, write_files: Callable[..., Path], run_git: Callable[..., None]
) -> None:
    write_files(repository, {"slip.py": f"import os\n\nKEY = '{KEY}'\n", ".gitignore": "ignored.py\n"})
    run_git(repository, "add", "-A")
    run_git(repository, "commit", "-q", "-m", "a slip")
    write_files(repository, {"untracked.py": module(500), "ignored.py": module(501)})
    code, lines, _ = personal(str(repository))
    assert code == 0
    assert list(dict.fromkeys(line["stage"] for line in lines)) == [
        "corpus", "tokens", "training", "proof", "report", "end",
    ]  # fmt: skip
    last = lines[-1]
    assert (last["accepted"], last["model"]) == (True, "my-code@1"), last
    assert choice.model_in_use() == models / "my-code" / "versions" / "0001"
    assert open_bundle(choice.model_in_use()).has_drafts, "drafts of the repository come with it"

    used = [each for split in ("train", "heldout") for each in read_documents(models / "my-code/work/corpus", split)]
    paths = {document.path for document in used}
    assert "m1.py" in paths
    assert not paths & {"slip.py", "untracked.py", "ignored.py"}
    assert not any(KEY in document.text for document in used)
    held = {document.path for document in read_documents(models / "my-code/work/corpus", "heldout")}
    assert held == {"m3.py", "m4.py", "m5.py"}

    page = Path(str(last["report"])).read_text(encoding="utf-8")
    assert str(last["message"]).split(". ")[0] in page
    assert "my-code/m1.py" in page
    assert "my-code/slip.py: secret" in page
    assert "<svg" in page
    assert "<script" not in page
    assert KEY not in page
    figures = json.loads(Path(str(last["report"])).with_suffix(".json").read_text(encoding="utf-8"))
    assert figures["bits_per_byte"]["after"] < figures["bits_per_byte"]["before"]
    assert figures["forgotten"] <= 0.02
    assert figures["canaries"] == {"planted": 5, "extracted": 0}
    assert figures["keys_saved"].keys() == {"before", "after"}

    assert choice.delete("my-code").title == "embedded"
    assert not (models / "my-code").exists(), "its data goes with it"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_model_that_did_not_get_better_is_not_taken(personal: Personal, repository: Path, models: Path) -> None:
    code, lines, _ = personal(str(repository), fit__learning_rate="1e-9")
    assert code == 0
    last = lines[-1]
    assert (last["accepted"], last["model"]) == (False, "my-code")
    assert "It was not taken, because it predicts your code only" in str(last["message"])
    assert Path(str(last["report"])).is_file()
    assert choice.in_use().title == "embedded"
    assert Shelf(name="my-code").versions == ()
    with pytest.raises(LibraryError, match="no version yet"):
        choice.use("my-code")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_training_that_broke_off_goes_on_and_a_finished_one_begins_anew(
    personal: Personal, repository: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0

    def interrupt() -> float:
        nonlocal steps
        steps += 1
        if steps == 25:
            raise KeyboardInterrupt
        return 0.0

    monkeypatch.setattr("trainer.personal.training.train.__defaults__", (interrupt,))
    assert personal(str(repository))[0] == 130
    checkpoint = latest_checkpoint(models / "my-code" / "work" / "checkpoints")
    assert checkpoint is not None
    assert read_progress(checkpoint)[0].step == 20
    assert choice.in_use().title == "embedded"

    monkeypatch.setattr("trainer.personal.training.train.__defaults__", (lambda: 0.0,))
    code, lines, err = personal(str(repository))
    assert code == 0, err
    assert any("going on" in str(line["message"]) for line in lines)
    assert lines[-1]["model"] == "my-code@1"
    code, lines, _ = personal(str(repository))
    assert not any("going on" in str(line["message"]) for line in lines)
    assert lines[-1]["model"] == "my-code@2"


@pytest.mark.parametrize("what", ["none", "few", "generated", "no commit"])
def test_too_little_code_is_refused_with_the_minimum(
    what: str, personal: Personal, tmp_path: Path, make_repository: Callable[..., Path], models: Path
) -> None:
    header = "# Code generated by a tool. DO NOT EDIT.\n"
    files = {
        "none": {"main.c": "int main() { return 0; }\n"},
        "few": {f"{number}.py": module(number) for number in range(5)},
        "generated": {f"{number}.py": header + module(number) for number in range(200)},
        "no commit": {f"{number}.py": module(number) for number in range(50)},
    }[what]
    folder = make_repository(tmp_path / "small", files, commit=what != "no commit")
    code, lines, err = personal(str(folder))
    assert code == 2
    assert "20" in err, "the least number of files"
    assert "name more of your" in err
    reason = {"none": "there are none", "few": "documents to train on", "generated": "generated"}
    assert reason.get(what, "without a commit") in err
    assert not [line for line in lines if line["stage"] == "end"]
    assert choice.in_use().title == "embedded"


def test_a_detached_head_a_shallow_clone_and_a_folder_without_git_are_read(
    tmp_path: Path, repository: Path, run_git: Callable[..., None], tiny_bundle: Bundle
) -> None:
    from trainer.personal import preparation
    from trainer.personal.wish import Wish, recipe_for

    run_git(repository, "checkout", "-q", "--detach")
    run_git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", "shallow")
    shutil.copytree(repository, tmp_path / "plain", ignore=shutil.ignore_patterns(".git"))
    for name, held_out_by in (("my-code", "time"), ("shallow", "file"), ("plain", "file")):
        changes = ("corpus.near_duplicates=0", "corpus.heldout_share=0.1")
        wish = Wish(folders=(str(tmp_path / name),), name=name, base=str(tiny_bundle.path), changes=changes)
        manifest = preparation.collect(recipe_for(wish), tmp_path / f"run-{name}")
        assert manifest.heldout_by == held_out_by
        assert manifest.num_documents("train") + manifest.num_documents("heldout") == 60


def test_a_base_that_is_no_model_is_named(personal: Personal, repository: Path, tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    code, _, err = personal(str(repository), "--base", str(tmp_path / "odd"))
    assert code == 2
    assert "is no model folder" in err
