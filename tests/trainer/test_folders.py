from __future__ import annotations

from pathlib import Path

import pytest

from lsp_server.errors import BusyError
from trainer.folders import claimed, whole_file, whole_folder, write_whole


def test_a_folder_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with whole_folder(tmp_path / "out") as folder:
            assert not list(folder.iterdir())
            (folder / content).touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "new"]


def test_a_folder_that_is_not_finished_leaves_the_one_before(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "out") as folder:
        (folder / "old").touch()
    with pytest.raises(FileNotFoundError), whole_folder(tmp_path / "out") as folder:
        (folder / "no such folder" / "half").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["old", "out"]


def test_what_a_killed_run_left_is_not_in_the_next_ones_folder(tmp_path: Path) -> None:
    leftover = tmp_path / ".out.partial"
    leftover.mkdir()
    (leftover / "half").touch()
    with whole_folder(tmp_path / "out") as folder:
        (folder / "new").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "new"]


def test_a_file_keeps_the_end_of_its_name_while_it_is_written_and_appears_when_whole(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "plot.svg"
    with whole_file(file) as partial:
        assert partial.suffix == ".svg"
        partial.write_text("new")
        assert not file.exists()
    assert file.read_text() == "new"
    with pytest.raises(TypeError), whole_file(file) as partial:
        partial.write_text(b"no text")  # type: ignore[arg-type]
    assert file.read_text() == "new"
    write_whole(file, "newer")
    assert [path.name for path in file.parent.iterdir()] == ["plot.svg"]
    assert file.read_text() == "newer"


def test_a_folder_belongs_to_one_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / "deep" / "lock"
    with claimed(tmp_path, lock), pytest.raises(BusyError, match="another process works in"):
        claimed(tmp_path, lock).__enter__()
    with claimed(tmp_path, lock):
        pass
