"""Repositories that are fetched: at a commit, without large files, once; and what changed since a date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lsp_server.errors import CorpusError
from trainer.corpus import clone
from trainer.corpus.build import build_corpus
from trainer.corpus.config import CorpusConfig
from trainer.corpus.repositories import is_url
from trainer.corpus.source import Lookup, Source
from trainer.corpus.sources import find_sources
from trainer.corpus.store import read_documents
from trainer.corpus.units import open_reader

MakeRepository = Callable[..., Path]
RunGit = Callable[..., None]
WriteFiles = Callable[[Path, Mapping[str, str | bytes]], Path]


def contents(source: Source) -> dict[str, str]:
    with open_reader(source.kind, source.root) as read:
        return {file.path: read(file).decode() for file in source.list_files() if file.num_bytes < 10**6}


@pytest.fixture
def origin(tmp_path: Path, make_repository: MakeRepository, write_files: WriteFiles, run_git: RunGit) -> Path:
    """Two commits, a year apart, with a tag on the first."""
    folder = make_repository(tmp_path / "tool", {"a.py": "first", "big.bin": bytes(3000)}, commit=False)
    run_git(folder, "config", "uploadpack.allowFilter", "true")
    run_git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    run_git(folder, "add", "-A")
    run_git(folder, "commit", "-q", "-m", "first", date="2024-01-01T00:00:00Z")
    run_git(folder, "tag", "v1")
    write_files(folder, {"b.py": "second"})
    run_git(folder, "add", "-A")
    run_git(folder, "commit", "-q", "-m", "second", date="2025-01-01T00:00:00Z")
    return folder


def fetched(spec: str, cache: Path, since: str = "") -> Source:
    (source,) = find_sources(spec, Lookup(cache=cache, since=since))
    return source


def test_a_url_is_read_at_its_head_or_at_a_revision(tmp_path: Path, origin: Path) -> None:
    url = f"file://{origin}"
    newest, tagged = (fetched(spec, tmp_path / "cache") for spec in (url, f"{url}#v1"))
    assert {"a.py", "b.py"} <= contents(newest).keys()
    assert "b.py" not in contents(tagged)
    assert (newest.name, newest.kind, len(newest.version)) == ("tool", "git", 40)
    by_id = fetched(f"{url}#{tagged.version}", tmp_path / "cache")
    assert by_id.version == tagged.version


def test_a_repository_is_fetched_once(tmp_path: Path, origin: Path) -> None:
    spec = f"file://{origin}"
    first = fetched(spec, tmp_path / "cache")
    origin.rename(tmp_path / "moved")
    assert contents(fetched(spec, tmp_path / "cache")) == contents(first)


def test_large_files_are_not_fetched(tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clone, "_LARGEST_BLOB", 1000)
    source = fetched(f"file://{origin}", tmp_path / "cache")
    sizes = {file.path: file.num_bytes for file in source.list_files()}
    assert sizes["a.py"] == 5
    assert sizes["big.bin"] > 10**9  # as large as anything that is left out for its size


@pytest.mark.parametrize("fetch", [True, False])
def test_what_changed_since_a_date_is_held_out(
    tmp_path: Path, origin: Path, write_files: WriteFiles, run_git: RunGit, module: Callable[[int], str], fetch: bool
) -> None:
    write_files(origin, {"old.py": module(1), "touched.py": module(2)})
    run_git(origin, "add", "-A")
    run_git(origin, "commit", "-q", "-m", "third", date="2025-02-01T00:00:00Z")
    write_files(origin, {"touched.py": module(3), "new.py": module(4)})
    run_git(origin, "add", "-A")
    run_git(origin, "commit", "-q", "-m", "fourth", date="2025-04-01T00:00:00Z")
    spec = f"file://{origin}" if fetch else str(origin)
    manifest = build_corpus(CorpusConfig(sources=(spec,), heldout_after="2025-03-01"), tmp_path / "corpus")
    paths = {
        split: {each.path for each in read_documents(tmp_path / "corpus", split)} for split in ("train", "heldout")
    }
    assert paths == {"train": {"a.py", "b.py", "old.py"}, "heldout": {"touched.py", "new.py"}}
    assert manifest.heldout_by == "time"


@pytest.mark.parametrize(
    "spec",
    [
        "file:///no/such/repository.git",
        "file://{origin}#no-such-branch",
        "ssh://-oProxyCommand=touch%20started/x",  # an option that poses as a host
    ],
)
def test_what_cannot_be_fetched_is_one_line(tmp_path: Path, origin: Path, spec: str) -> None:
    with pytest.raises(CorpusError, match=r"git cannot fetch .*check the address") as caught:
        fetched(spec.format(origin=origin), tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").rglob("*.partial"))


def test_only_transports_that_are_known_are_used(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="not allowed"):
        clone.fetch_content(f"ext::touch {tmp_path / 'started'}", "", tmp_path / "cache" / "content.git")
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("https://host/owner/tool", True),
        ("git@host:owner/tool.git", True),
        ("file:///a/b", True),
        ("ssh://git@host/a", True),
        ("/a/b", False),
        ("a/b", False),
        ("hf:owner/set", False),
        ("package:attrs", False),
    ],
)
def test_urls_are_told_from_paths(spec: str, expected: bool) -> None:
    assert is_url(spec) is expected
