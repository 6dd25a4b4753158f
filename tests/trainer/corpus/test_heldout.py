"""What is held out, and that no copy of it is learnt: exact, nearly, or of a benchmark."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lsp_server.errors import RecipeError
from trainer.corpus.build import build_corpus
from trainer.corpus.config import CorpusConfig
from trainer.corpus.store import CorpusManifest, Document, read_documents

WriteFiles = Callable[..., Path]


def long_module(seed: int) -> str:
    """Sixty lines that share no run of words with those of another seed."""
    draw = random.Random(seed).randrange
    lines = [f"value_{draw(10**6)} = compute_{draw(10**6)}(x_{draw(10**6)})" for _ in range(60)]
    return f'"""Module {" ".join(str(draw(10**6)) for _ in range(8))}."""\n\n' + "\n".join(lines) + "\n"


def build(tmp_path: Path, *folders: Path, **values: object) -> tuple[CorpusManifest, list[Document], list[Document]]:
    config = replace(CorpusConfig(sources=tuple(map(str, folders)), heldout_share=0.0), **values)  # type: ignore[arg-type]
    manifest = build_corpus(config, tmp_path / "corpus")
    return manifest, *(list(read_documents(tmp_path / "corpus", split)) for split in ("train", "heldout"))


def test_of_near_duplicates_the_first_is_kept(tmp_path: Path, write_files: WriteFiles) -> None:
    copy = long_module(1) + "# one more line\nx = 1\n"
    folder = write_files(tmp_path / "a", {"a.py": long_module(1), "b.py": copy, "c.py": long_module(2)})
    manifest, train, _ = build(tmp_path, folder)
    assert len(train) == 2
    assert manifest.dropped == {"near_duplicate": 1}
    _, train, _ = build(tmp_path, folder, near_duplicates=0.0)
    assert len(train) == 3


def test_a_near_copy_of_what_is_held_out_is_not_learnt(tmp_path: Path, write_files: WriteFiles) -> None:
    kept = write_files(
        tmp_path / "kept", {"copied.py": long_module(1) + "# a line of its own\n", "own.py": long_module(2)}
    )
    judged = write_files(tmp_path / "judged", {"original.py": long_module(1)})
    manifest, train, heldout = build(tmp_path, kept, judged, heldout_sources=("judged",))
    assert [document.path for document in train] == ["own.py"]
    assert [document.path for document in heldout] == ["original.py"]
    assert manifest.dropped == {"near_duplicate": 1}


def test_whole_repositories_are_held_out_where_they_are_small(tmp_path: Path, write_files: WriteFiles) -> None:
    folders = [
        write_files(tmp_path / f"project{number}", {f"{name}.py": long_module(10 * number + name) for name in range(3)})
        for number in range(20)
    ]
    manifest, train, heldout = build(tmp_path, *folders, heldout_share=0.2)
    assert manifest.heldout_by == "repository"
    assert len(heldout) in (9, 12)  # the fourth may be too large by a few bytes
    assert not {document.source for document in train} & {document.source for document in heldout}
    assert len(manifest.heldout_sources) == len(heldout) // 3


def test_files_are_held_out_where_one_repository_is_too_large(tmp_path: Path, write_files: WriteFiles) -> None:
    folder = write_files(tmp_path / "only", {f"{number}.py": long_module(number) for number in range(40)})
    manifest, train, heldout = build(tmp_path, folder, heldout_share=0.2)
    assert manifest.heldout_by == "file"
    assert 2 <= len(heldout) <= 16  # drawn by hash: always the same
    assert not {document.text for document in train} & {document.text for document in heldout}


def test_benchmarks_are_kept_out_and_named(tmp_path: Path, write_files: WriteFiles) -> None:
    solution = (
        "def total(numbers):\n    result = 0\n    for each in numbers:\n        result += each\n    return result\n"
    )
    rows = [
        {"task_id": "Made/0", "prompt": "", "canonical_solution": solution},
        {"task_id": "Made/1", "prompt": long_module(5), "canonical_solution": ""},
    ]
    (tmp_path / "made.jsonl").write_text("\n".join(map(json.dumps, rows)))
    folder = write_files(
        tmp_path / "project",
        {"a.py": f"# mine\n{solution}\n", "near.py": long_module(5) + "# mine\n", "b.py": long_module(6)},
    )
    manifest, train, _ = build(tmp_path, folder, decontaminate=(str(tmp_path / "made.jsonl"),))
    assert [document.path for document in train] == ["b.py"]
    assert manifest.dropped == {"contaminated": 2}
    assert {(entry["path"], entry["detail"]) for entry in manifest.named} == {
        ("a.py", "made.jsonl:Made/0"),
        ("near.py", "made.jsonl:Made/1"),
    }


def test_what_is_only_near_to_a_benchmark_is_kept_out(tmp_path: Path, write_files: WriteFiles) -> None:
    problem = long_module(5)
    (tmp_path / "made.jsonl").write_text(json.dumps({"task_id": 0, "prompt": problem}))
    lines = problem.splitlines(keepends=True)
    every_twentieth = "".join(
        f"# changed {number}\n" if number % 20 == 9 else line for number, line in enumerate(lines)
    )
    folder = write_files(tmp_path / "project", {"near.py": every_twentieth, "b.py": long_module(6)})
    values = {"decontaminate": (str(tmp_path / "made.jsonl"),), "decontaminate_words": 100}
    manifest, train, _ = build(tmp_path, folder, **values)
    assert manifest.dropped == {"near_benchmark": 1}
    assert [document.path for document in train] == ["b.py"]


def test_secrets_are_named_but_never_told(tmp_path: Path, write_files: WriteFiles) -> None:
    secret = "gh" + "p_" + "a1B2" * 9
    folder = write_files(tmp_path / "project", {"a.py": f"# a token\nTOKEN = '{secret}'\n", "b.py": long_module(1)})
    manifest, train, _ = build(tmp_path, folder)
    assert [document.path for document in train] == ["b.py"]
    assert manifest.named == [{"reason": "secret", "source": "project", "path": "a.py", "detail": "GitHub Token"}]
    for file in (tmp_path / "corpus").iterdir():
        assert secret.encode() not in file.read_bytes()
    _, train, _ = build(tmp_path, folder, secrets="keep")
    assert len(train) == 2


def test_a_files_own_header_outranks_its_sources_licence(tmp_path: Path, write_files: WriteFiles) -> None:
    mit = 'Permission is hereby granted, free of charge, to any person obtaining a copy ... provided "AS IS"'
    folder = write_files(
        tmp_path / "project",
        {
            "LICENSE": mit,
            "plain.py": long_module(1),
            "taken.py": "# SPDX-License-Identifier: GPL-3.0-or-later\n" + long_module(2),
            "also.py": "# SPDX-License-Identifier: BSD-2-Clause\n" + long_module(3),
        },
    )
    manifest, train, _ = build(tmp_path, folder, licences="permissive")
    assert {document.path: document.licence for document in train} == {"plain.py": "MIT", "also.py": "BSD-2-Clause"}
    assert manifest.dropped == {"licence": 1}
    assert manifest.licences.keys() == {"MIT", "BSD-2-Clause"}


def test_excluded_repositories_come_from_lists(
    tmp_path: Path, write_files: WriteFiles, make_repository: Callable[..., Path], run_git: Callable[..., None]
) -> None:
    fork = make_repository(tmp_path / "fork", {"a.py": long_module(1)})
    run_git(fork, "remote", "add", "origin", "https://host.invalid/Owner/Tool.git")
    kept = write_files(tmp_path / "kept", {"b.py": long_module(2)})
    (tmp_path / "list.txt").write_text("# judged by these\nowner/tool\n")
    manifest, train, _ = build(tmp_path, fork, kept, exclude_repositories=(str(tmp_path / "list.txt"),))
    assert [document.source for document in train] == ["kept"]
    assert manifest.dropped == {"excluded": 1}


def test_what_the_newest_commits_touched_is_held_out(
    tmp_path: Path, make_repository: Callable[..., Path], write_files: WriteFiles, run_git: Callable[..., None]
) -> None:
    folder = make_repository(tmp_path / "project", {f"{number}.py": long_module(number) for number in range(20)})
    for number in (3, 17):
        write_files(folder, {f"{number}.py": long_module(100 + number)})
        run_git(folder, "add", "-A")
        run_git(folder, "commit", "-q", "-m", "later")
    manifest, train, heldout = build(tmp_path, folder, heldout_latest=True, heldout_share=0.1)
    assert manifest.heldout_by == "time"
    assert {document.path for document in heldout} == {"3.py", "17.py"}
    assert len(train) == 18


def test_a_commit_that_touches_nearly_everything_says_nothing_of_time(
    tmp_path: Path, make_repository: Callable[..., Path]
) -> None:
    """As in a shallow clone, whose only commit brought every file; so does a folder that is no repository."""
    files = {f"{number}.py": long_module(number) for number in range(60)}
    manifest, train, heldout = build(
        tmp_path, make_repository(tmp_path / "project", files), heldout_latest=True, heldout_share=0.2
    )
    assert manifest.heldout_by == "file"
    assert 3 <= len(heldout) <= 25  # of 60 at 0.2 each: outside with a chance below 1 in 10,000
    assert len(train) + len(heldout) == 60


def test_each_source_is_held_out_as_its_own_history_allows(
    tmp_path: Path, make_repository: Callable[..., Path], write_files: WriteFiles, run_git: Callable[..., None]
) -> None:
    with_history = make_repository(tmp_path / "old", {f"{number}.py": long_module(number) for number in range(20)})
    write_files(with_history, {"5.py": long_module(99), "6.py": long_module(98)})
    run_git(with_history, "commit", "-q", "-a", "-m", "later")
    without = write_files(tmp_path / "plain", {f"{number}.py": long_module(200 + number) for number in range(60)})
    _, _, heldout = build(tmp_path, with_history, without, heldout_latest=True, heldout_share=0.1)
    by_source = {name: {each.path for each in heldout if each.source == name} for name in ("old", "plain")}
    assert by_source["old"] == {"5.py", "6.py"}
    assert by_source["plain"]


def test_of_a_folder_in_a_work_tree_untracked_files_stay_out_where_asked(
    tmp_path: Path, make_repository: Callable[..., Path], write_files: WriteFiles
) -> None:
    root = make_repository(tmp_path / "project", {"part/a.py": long_module(1), "b.py": long_module(2)})
    write_files(root, {"part/new.py": long_module(3)})
    for tracked_only, names in ((True, {"a.py"}), (False, {"a.py", "new.py"})):
        _, train, _ = build(tmp_path, root / "part", tracked_only=tracked_only)
        assert {document.path for document in train} == names


def test_two_ways_to_hold_out_by_time_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"corpus.heldout_latest and corpus.heldout_after are both set"):
        CorpusConfig(heldout_latest=True, heldout_after="2025-01-01")
