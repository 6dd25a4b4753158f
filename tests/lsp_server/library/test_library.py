"""Models are kept by version, chosen, shared and deleted; whatever happens to the folder, one of them answers."""

from __future__ import annotations

import errno
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from lsp_server.cli import main
from lsp_server.errors import BundleError, LibraryError
from lsp_server.library import choice, parcel
from lsp_server.library.shelf import Shelf
from lsp_server.model.bundle import EMBEDDED


def publish(name: str, bundle: Path) -> int:
    shelf = Shelf(name=name)
    version = shelf.next_version()
    shelf.publish(bundle, version)
    return version.number


def test_the_embedded_model_answers_where_nothing_was_chosen() -> None:
    assert choice.model_in_use() == EMBEDDED


def test_choosing_going_back_and_choosing_a_version(small_bundle: Path, models: Path) -> None:
    assert [publish("work", small_bundle), publish("work", small_bundle), publish("team", small_bundle)] == [1, 2, 1]
    assert choice.use("work@1").title == "work@1"
    assert choice.use("work").title == "work@2"
    assert choice.use("team").title == "team@1"
    assert choice.model_in_use() == models / "team" / "versions" / "0001"
    assert [choice.back().title for _ in range(3)] == ["work@2", "work@1", "embedded"]
    with pytest.raises(LibraryError, match="there is none to go back to"):
        choice.back()


def test_the_embedded_model_can_be_chosen_and_gone_back_from(small_bundle: Path) -> None:
    publish("work", small_bundle)
    choice.use("work")
    assert choice.use("embedded").title == "embedded"
    assert choice.back().title == "work@1"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("other", "there is no model 'other': there are work"),
        ("work@7", "no version '7': it has 1"),
        ("work@x", "no version 'x'"),
        ("../work", "cannot be a model's name"),
        ("empty", "has no version yet"),
    ],
)
def test_what_is_not_there_is_named(name: str, message: str, small_bundle: Path, models: Path) -> None:
    publish("work", small_bundle)
    if name == "empty":
        (models / "empty" / "work").mkdir(parents=True)
    with pytest.raises(LibraryError, match=message):
        choice.use(name)
    assert choice.model_in_use() == EMBEDDED


def test_deleting_a_model_deletes_its_data_and_what_was_before_answers(small_bundle: Path, models: Path) -> None:
    publish("work", small_bundle)
    publish("team", small_bundle)
    for name in ("team", "work"):
        choice.use(name)
    text = models / "work" / "work" / "corpus" / "documents-00000.jsonl.gz"
    text.parent.mkdir(parents=True)
    text.touch()
    assert choice.delete("work").title == "team@1"
    assert not (models / "work").exists()
    assert choice.model_in_use() == models / "team" / "versions" / "0001"
    with pytest.raises(LibraryError, match="part of the package"):
        choice.delete("embedded")


def test_a_version_that_is_gone_is_passed_over(small_bundle: Path, models: Path) -> None:
    publish("work", small_bundle)
    publish("work", small_bundle)
    choice.use("work@1")
    choice.use("work@2")
    shutil.rmtree(models / "work" / "versions" / "0002")
    assert choice.in_use().title == "work@1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"history": 3}',
        '{"history": [{"name": "../../etc", "version": 1}]}',
        '{"history": [{"name": 1}]}',
    ],
)
def test_a_damaged_choice_costs_the_choice_only(text: str, models: Path) -> None:
    models.mkdir(parents=True)
    (models / "in-use.json").write_text(text)
    assert choice.model_in_use() == EMBEDDED


def test_a_publication_that_fails_leaves_no_version(
    small_bundle: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("work", small_bundle)

    def full(source: Path, target: Path, **options: object) -> None:
        (target / "half").write_text("x")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(LibraryError, match=r"No space left on device.*free disk space"):
        publish("work", small_bundle)
    assert [entry.name for entry in (models / "work" / "versions").iterdir()] == ["0001"]


def test_a_damaged_bundle_is_not_published(small_bundle: Path, tmp_path: Path, models: Path) -> None:
    damaged = shutil.copytree(small_bundle, tmp_path / "damaged")
    (damaged / "tokenizer.json").write_text("{}")
    with pytest.raises(BundleError, match="does not match its hash"):
        publish("work", damaged)
    assert not models.exists()


def test_a_model_travels_as_one_file(small_bundle: Path, tmp_path: Path) -> None:
    publish("work", small_bundle)
    file = tmp_path / "work.zip"
    assert main(["models", "share", "work", str(file)]) == 0
    assert main(["models", "add", str(file), "--name", "theirs"]) == 0
    added = Shelf(name="theirs").version(1).folder
    assert {path.name: path.read_bytes() for path in added.iterdir()} == {
        path.name: path.read_bytes() for path in small_bundle.iterdir()
    }


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "model.bin", "sub/config.json"])
def test_a_file_that_holds_anything_else_is_refused(name: str, tmp_path: Path, models: Path) -> None:
    file = tmp_path / "odd.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(LibraryError, match="is no model of Parrotlet's"):
        parcel.add_parcel(file, "odd")
    assert not models.exists()
    assert not (tmp_path / "outside").exists()


def test_a_file_with_a_part_missing_or_no_archive_is_refused(small_bundle: Path, tmp_path: Path, models: Path) -> None:
    file = tmp_path / "half.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.write(small_bundle / "config.json", "config.json")
    with pytest.raises(BundleError):
        parcel.add_parcel(file, "half")
    file.write_text("no archive")
    with pytest.raises(LibraryError, match="cannot be read"):
        parcel.add_parcel(file, "half")
    assert not models.exists()


def test_the_list_for_people_and_for_editors(
    small_bundle: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish("work", small_bundle)
    publish("work", small_bundle)
    report = models / "work" / "reports" / "0002.html"
    report.parent.mkdir()
    report.touch()
    assert main(["models", "use", "work@1"]) == 0
    capsys.readouterr()
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["embedded", "inside"],
        *([["work@2", lines[1].split()[1]]]),
        ["*", "work@1"],
    ]
    assert str(report) in lines[1]
    assert main(["models", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["in_use"]["name"] == "work"
    assert [(model["name"], model["in_use"]) for model in listed["models"]] == [("embedded", False), ("work", True)]
    versions = listed["models"][1]["versions"]
    assert [(each["version"], each["in_use"], each["report"]) for each in versions] == [
        (2, False, str(report)),
        (1, True, None),
    ]


def test_the_commands_say_what_is_in_use(small_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish("work", small_bundle)
    for command, said in ((["use", "work"], "work@1"), (["back"], "embedded"), (["delete", "work"], "embedded")):
        assert main(["models", *command]) == 0
        assert capsys.readouterr().out == f"in use: {said}\n"
    assert main(["models", "use", "work"]) == 2
    assert "there is no model 'work': there are none but the embedded one" in capsys.readouterr().err


def test_a_version_number_is_never_used_twice(small_bundle: Path, models: Path) -> None:
    """A refused training leaves a report by its number, which no later version may take."""
    shelf = Shelf(name="work")
    report = shelf.next_version().report
    report.parent.mkdir(parents=True)
    report.touch()
    assert publish("work", small_bundle) == 2
