"""The manifest that is published: what it tells, what it must not tell, and the ones that ship."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer.cli import main
from trainer.corpus.provenance import LISTS, urls_by_commit
from trainer.recipe import SHIPPED
from trainer.recipe_file import to_toml
from trainer.run_recipe import recipe_of_run

SHIPPED_MANIFESTS = sorted((SHIPPED / "manifests").glob("*.json"))
LICENCE = (
    "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy of this software.\n"
    'The software is provided "as is".\n'
)


@pytest.fixture
def run_dir(
    tmp_path: Path, make_repository: Callable[..., Path], module: Callable[[int], str], write_files: Callable[..., Path]
) -> Path:
    """A corpus of two repositories and a folder, with a benchmark kept out, built by the command."""
    files = {f"{number}.py": module(number) for number in range(6)}
    first = make_repository(tmp_path / "zebra", {**files, "LICENSE": LICENCE})
    others = {f"other_{number}.py": module(number + 50) for number in range(4)}
    second = make_repository(tmp_path / "Aardvark", others)
    plain = write_files(tmp_path / "notes", {"a.py": module(99), "b.py": module(99)})
    benchmark = tmp_path / "bench.jsonl"
    benchmark.write_text(json.dumps({"prompt": "one two three four five six seven eight nine ten eleven"}) + "\n")
    sources = [str(first), str(second), str(plain)]
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'run = "made"\n[corpus]\nsources = {json.dumps(sources)}\nheldout_sources = ["Aardvark"]\n'
        f'near_duplicates = 0\ndecontaminate = ["{benchmark}"]\nexclude_repositories = ["some/one"]\n'
    )
    assert main(["corpus", "--recipe", str(recipe), "--run", str(tmp_path / "run")]) == 0
    return tmp_path / "run"


def commit_of(folder: Path) -> str:
    return (folder / ".git" / "refs" / "heads" / "main").read_text().strip()


def test_it_names_every_source_with_its_url_and_counts_and_no_path(
    run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "mine.txt"
    listed.write_text(f"# mine\nhttps://example.org/a/zebra#{commit_of(tmp_path / 'zebra')}  # MIT\n")
    out = tmp_path / "public" / "made.json"
    out.parent.mkdir()
    assert main(["manifest", "--run", str(run_dir), "--list", str(listed), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "3 sources" in said
    assert "1 are in no list, such as Aardvark: name theirs with --list" in said

    text = out.read_text()
    assert str(tmp_path) not in text
    entries = json.loads(text)
    first, second, third = entries["sources"]
    assert [first["name"], second["name"], third["name"]] == ["Aardvark", "notes", "zebra"]
    assert third == {
        "name": "zebra",
        "url": "https://example.org/a/zebra",
        "version": commit_of(tmp_path / "zebra"),
        "licence": "MIT",
        "num_documents": 6,
        "num_bytes": third["num_bytes"],
    }
    assert first["heldout"] is True
    assert second["dropped"] == {"duplicate": 1}
    assert entries["splits"]["heldout"] == {"num_documents": 4, "num_bytes": first["num_bytes"]}
    assert entries["config"]["decontaminate"] == ["bench.jsonl"]
    assert entries["config"]["exclude_repositories"] == ["some/one"]
    assert sum('"name": ' in line for line in text.splitlines()) == 3, "a source a line"


def test_it_is_the_same_every_time_and_knows_packages(
    run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipe_of_run(None, run_dir, ["corpus.sources=['package:attrs']", "corpus.heldout_sources=[]"])
    (tmp_path / "attrs.toml").write_text(to_toml(recipe))
    other = str(tmp_path / "other")
    assert main(["corpus", "--recipe", str(tmp_path / "attrs.toml"), "--run", other]) == 0
    texts = []
    for name in ("one.json", "two.json"):
        assert main(["manifest", "--corpus", f"{other}/corpus", "--out", str(tmp_path / name)]) == 0
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1]
    (source,) = json.loads(texts[0])["sources"]
    assert source["url"] == f"https://pypi.org/project/attrs/{source['version']}/"
    assert "in no list" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run", "OUT", "--out", "OUT"], "holds no finished corpus"),
        (["--run", "RUN", "--out", "OUT", "--list", "OUT"], "cannot be read"),
        (["--run", "RUN", "--out", "RUN"], "choose another with --out"),
    ],
)
def test_a_mistake_is_one_line(
    run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    places = {"OUT": str(tmp_path / "none"), "RUN": str(run_dir)}
    assert main(["manifest", *(places.get(argument, argument) for argument in arguments)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("path", SHIPPED_MANIFESTS, ids=lambda path: path.stem)
def test_a_shipped_manifest_can_be_repeated_from_the_shipped_lists(path: Path) -> None:
    text = path.read_text()
    entries: dict[str, Any] = json.loads(text)
    urls = urls_by_commit(LISTS)
    assert not re.search(r'"(list:)?(/|~|[A-Z]:\\)', text), "a path of a machine"
    assert sum(each["num_bytes"] for each in entries["sources"]) == sum(
        each["num_bytes"] for each in entries["splits"].values()
    )
    for each in entries["sources"]:
        assert each["licence"] not in ("", "unknown")
        if each["name"] != "stdlib" and not each["url"].startswith("https://pypi.org/"):
            assert each["url"] == urls[each["version"]]


def test_a_manifest_ships_for_the_embedded_model() -> None:
    assert "embedded-more" in [path.stem for path in SHIPPED_MANIFESTS]
