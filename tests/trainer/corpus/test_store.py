"""The corpus on disk: whole or absent, the same bytes each time, and damage is named."""

from __future__ import annotations

import errno
import itertools
from pathlib import Path

import pytest

from lsp_server.errors import CorpusError
from trainer.corpus import store
from trainer.corpus.store import CorpusManifest, Document, ShardWriter, new_corpus_folder, read_documents, read_manifest


def document(number: int) -> Document:
    text = f"value = {number}\n# ü \u2028 \U0001f99c\n"
    return Document(path=f"{number}.py", source="s", licence="MIT", sha256=f"{number:064x}", text=text)


def manifest(writer: ShardWriter) -> CorpusManifest:
    entry = {"num_documents": writer.num_documents, "num_bytes": writer.num_bytes, "shards": writer.shards}
    return CorpusManifest(
        corpus_hash=store.corpus_digest(writer.digests, []),
        inputs_hash="",
        config={},
        splits={"train": entry},
        heldout_sources=[],
        dropped={},
        refused_sources={},
        reserved={},
        sources=[],
    )


def write_documents(folder: Path, count: int) -> ShardWriter:
    writer = ShardWriter(folder, "train")
    for number in range(count):
        writer.add(document(number))
    writer.close()
    return writer


def write(folder: Path, count: int = 5) -> None:
    with new_corpus_folder(folder) as partial:
        store.write_manifest(partial, manifest(write_documents(partial, count)))


def test_documents_come_back_in_order_across_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "SHARD_BYTES", 60)
    write(tmp_path / "corpus")
    assert list(read_documents(tmp_path / "corpus")) == [document(number) for number in range(5)]
    assert len(list((tmp_path / "corpus").glob("documents-*.jsonl.gz"))) == 3


def test_same_documents_make_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(1e9, 100)
    monkeypatch.setattr(
        "gzip.time.time", lambda: next(clock)
    )  # gzip writes the time into its header unless told not to
    for name in ("first", "second"):
        write(tmp_path / name)
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("first", "second")
    )
    assert first == second


def test_interrupted_writing_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with new_corpus_folder(tmp_path / "corpus") as partial:
            write_documents(partial, 2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_interrupted_rewriting_keeps_the_old_corpus(tmp_path: Path) -> None:
    write(tmp_path / "corpus", count=2)
    with pytest.raises(CorpusError, match="No space left"), new_corpus_folder(tmp_path / "corpus"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert [entry.name for entry in tmp_path.iterdir()] == ["corpus"]
    assert len(list(read_documents(tmp_path / "corpus"))) == 2


def test_killed_writing_never_looks_finished(tmp_path: Path) -> None:
    """What a kill leaves is the partial folder; the next run clears it."""
    leftover = tmp_path / ".corpus.partial"
    leftover.mkdir()
    (leftover / "documents-00000.jsonl.gz").write_bytes(b"half")
    with pytest.raises(CorpusError, match="holds no finished corpus"):
        read_manifest(tmp_path / "corpus")
    write(tmp_path / "corpus")
    assert [entry.name for entry in tmp_path.iterdir()] == ["corpus"]


def test_rewriting_replaces_the_old_corpus(tmp_path: Path) -> None:
    write(tmp_path / "corpus", count=2)
    write(tmp_path / "corpus", count=3)
    assert len(list(read_documents(tmp_path / "corpus"))) == 3


def test_a_folder_that_is_no_corpus_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("dear")
    with pytest.raises(CorpusError, match="exists and is no corpus: choose another folder"):
        write(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "dear"


def test_damaged_shard_is_named(tmp_path: Path) -> None:
    write(tmp_path / "corpus")
    shard = tmp_path / "corpus" / "documents-00000.jsonl.gz"
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(CorpusError, match=r"documents-00000\.jsonl\.gz is damaged"):
        list(read_documents(tmp_path / "corpus"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no finished corpus"),
        ("[]", "holds no finished corpus"),
        ('{"format_version": 99}', "format 99"),
        ('{"format_version": 1}', "format 1"),
        ('{"format_version": 2}', "holds no finished corpus"),
    ],
)
def test_damaged_manifest_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(CorpusError, match=message):
        read_manifest(tmp_path)
