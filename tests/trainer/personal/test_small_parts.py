"""What surrounds a training: the wish, the telling, manners, one at a time, and when to do it again."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.errors import BusyError, CorpusError, RecipeError
from lsp_server.library.shelf import Shelf
from lsp_server.model.bundle import Bundle
from trainer.personal import courtesy, preparation
from trainer.personal.joining import join
from trainer.personal.telling import JsonTeller, Outcome
from trainer.personal.turn import turn
from trainer.personal.watching import has_changed_enough, versions, watch
from trainer.personal.wish import Wish, name_for, recipe_for

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("folders", "name"),
    [
        (["/home/me/my code!"], "my-code"),
        (["/home/me/tool.git"], "tool"),
        (["/a", "/b"], "personal"),
        (["/"], "personal"),
        (["/home/embedded"], "personal"),
    ],
)
def test_a_model_is_named_after_the_only_repository(folders: list[str], name: str) -> None:
    assert name_for(folders) == name


def test_the_recipe_asks_as_the_base_was_asked(tiny_bundle: Bundle, tmp_path: Path) -> None:
    recipe = recipe_for(Wish(folders=(str(tmp_path),), name="mine", base=str(tiny_bundle.path)))
    assert (recipe.model.context_tokens, recipe.fit.row_tokens) == (64, 64)
    assert (recipe.prompt.suffix_tokens, recipe.prompt.new_tokens) == (12, 16)
    assert recipe.corpus.sources == (str(tmp_path),)
    assert recipe.corpus.heldout_latest
    assert recipe.tuning.replay_sources


def test_a_folder_that_is_not_there_and_an_impossible_time_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="is no folder"):
        recipe_for(Wish(folders=(str(tmp_path / "absent"),), name="mine"))
    with pytest.raises(RecipeError, match="--minutes is 0"):
        Wish(folders=(str(tmp_path),), name="mine", minutes=0)


def test_progress_in_json_never_falls_and_ends_with_the_outcome(tmp_path: Path) -> None:
    stream = io.StringIO()
    teller = JsonTeller(stream)
    teller.stage("corpus", "collecting")
    teller.stage("training", "for a minute")
    for number in range(1001):
        teller.within(number / 1000, "loss")
    teller.stage("proof", "comparing")
    teller.end(Outcome(accepted=False, report=tmp_path / "r.html", model="mine", paragraph="It was not taken."))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert all({"stage", "done", "message"} <= line.keys() for line in lines)
    done = [line["done"] for line in lines]
    assert done == sorted(done)
    assert all(0 <= each <= 1 for each in done)
    assert len(lines) < 300, "not a line a step"
    last = lines[-1]
    assert (last["stage"], last["accepted"], last["model"]) == ("end", False, "mine")
    assert last["report"] == str(tmp_path / "r.html")


def test_it_waits_while_somebody_types_but_not_for_ever() -> None:
    ages = iter([0.1, 0.5, 1.0, 5.0])
    naps: list[float] = []
    courtesy.wait_for_quiet(lambda: next(ages), naps.append)
    assert len(naps) == 3
    assert courtesy.wait_for_quiet(lambda: float("inf"), naps.append) < 1
    assert len(naps) == 3


def test_somebody_who_never_stops_typing_is_waited_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courtesy, "LONGEST_PAUSE_SECONDS", 0.2)
    assert 0.2 <= courtesy.wait_for_quiet(lambda: 0.0) < 5


@pytest.mark.skipif(os.name == "nt", reason="Windows has no niceness")
def test_the_process_gets_the_lowest_priority_and_stays_there() -> None:
    program = "import os; from trainer.personal.courtesy import step_back; step_back(); step_back(); print(os.nice(0))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "19\n"


def test_a_second_training_is_refused_and_the_running_one_named() -> None:
    with (
        turn("first"),
        pytest.raises(BusyError, match=rf"the model 'first' is being trained already.*{os.getpid()}"),
        turn("second"),
    ):
        pass
    with turn("second"):  # the first has ended
        pass


def test_a_refusal_inside_is_no_refusal_of_the_turn() -> None:
    with pytest.raises(BusyError, match="other folder"), turn("first"):
        raise BusyError("other folder")


def test_a_full_disk_is_told_before_anything_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("usage", (), {"free": 5_000_000})
    monkeypatch.setattr(preparation.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(Exception, match=r"has 5 MB free, and a training needs 600: free disk space"):
        preparation.check_space(tmp_path / "mine", 1)


def test_what_a_user_may_not_expect_is_noted(
    tmp_path: Path, repository: Path, make_repository: Callable[..., Path], run_git: Callable[..., None]
) -> None:
    other = make_repository(tmp_path / "other", {"a.py": "x = 1\n"})
    run_git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), "part")
    run_git(repository, "commit", "-q", "-a", "-m", "submodule")
    (repository / "m1.py").write_text("changed = 1\n")
    run_git(tmp_path, "clone", "-q", "--depth", "1", f"file://{other}", "shallow")
    plain = tmp_path / "plain"
    plain.mkdir()
    said = "\n".join(preparation.notes([str(repository), str(tmp_path / "shallow"), str(plain)]))
    for part in ("has the submodule part", "not committed", "is a shallow clone", "is no git repository"):
        assert part in said
    assert preparation.notes([str(other)]) == []


def test_a_training_is_due_when_enough_has_changed() -> None:
    before = {f"{number}.py": ("v1", 100) for number in range(100)}
    assert not has_changed_enough(before, before)
    assert not has_changed_enough(before, {**before, "1.py": ("v2", 100)})
    assert has_changed_enough(before, {**before, **{f"{number}.py": ("v2", 100) for number in range(7)}})
    assert has_changed_enough(before, {**before, "new.py": ("v1", 1000)})


def test_watching_trains_at_once_then_only_behind_changes(
    repository: Path, write_files: Callable[..., Path], run_git: Callable[..., None]
) -> None:
    wish = Wish(folders=(str(repository),), name="mine")
    recipe = recipe_for(wish)
    trained: list[int] = []
    rounds = iter(range(4))

    def sleep(_seconds: float) -> None:
        number = next(rounds)
        if number == 1:
            write_files(repository, {f"m{each}.py": f"x = {each}\n" * 50 for each in range(10)})
            run_git(repository, "commit", "-q", "-a", "-m", "much")
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(wish, recipe, lambda wish, recipe: trained.append(len(versions(recipe))), sleep=sleep)
    assert trained == [60, 60]


def test_another_process_of_a_launch_waits_for_the_first_and_trains_as_long(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = Wish(folders=(str(repository),), name="mine")
    unfinished = Shelf(name="mine").work / "unfinished.json"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_text('{"mark": "", "minutes": 3.5}')  # of a training that was broken off before
    os.utime(unfinished, (1.0, 1.0))
    trained: list[float] = []
    monkeypatch.setattr("trainer.personal.joining.fit", lambda recipe, folder: trained.append(recipe.fit.minutes))
    naps = 0

    def sleep(_seconds: float) -> None:
        nonlocal naps
        naps += 1
        assert not trained
        if naps == 3:
            unfinished.write_text('{"mark": "", "minutes": 7.5}')

    join(wish, recipe_for(wish), since=1000.0, sleep=sleep)
    assert (trained, naps) == ([7.5], 3)
