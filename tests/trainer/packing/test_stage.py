"""Token shards on disk, whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from lsp_server.errors import CorpusError
from lsp_server.model.tokenizer import CodeTokenizer
from trainer import packing
from trainer.config import PackingConfig
from trainer.packing import TokenStream, pack, read_index, require_current, stage

SMALL_SHARDS = PackingConfig(shard_tokens=1024)
MakeCorpus = Callable[..., Path]
TEXTS = [f"def function_{number}(value):\n    return value * {number}\n" * 9 for number in range(24)]


@pytest.fixture
def tokenizer_path(tmp_path: Path, code_tokenizer: CodeTokenizer) -> Path:
    path = tmp_path / "tokenizer.json"
    code_tokenizer.save(path)
    return path


def documents(stream: TokenStream, tokenizer: CodeTokenizer) -> list[str]:
    ids = stream.read(0, len(stream))
    pieces = np.split(ids, np.flatnonzero(ids == tokenizer.end_of_text) + 1)
    assert not len(pieces.pop()), "the last document ends, too"
    return [tokenizer.decode(piece.tolist()) for piece in pieces]


def test_documents_come_back_across_shards(
    make_corpus: MakeCorpus, tokenizer_path: Path, code_tokenizer: CodeTokenizer, tmp_path: Path
) -> None:
    index = pack(make_corpus(TEXTS, ["held out\n"]), tokenizer_path, tmp_path / "packed", SMALL_SHARDS)

    train, heldout = (TokenStream.open(tmp_path / "packed", split) for split in packing.SPLITS)
    assert documents(train, code_tokenizer) == TEXTS
    assert documents(heldout, code_tokenizer) == ["held out\n"]
    assert len(train.shards) > 2
    assert all(len(shard) <= 1024 for shard in train.shards)
    assert index == read_index(tmp_path / "packed")
    assert index["splits"]["train"]["tokens"] == len(train)
    assert index["splits"]["train"]["bytes"] == sum(map(len, TEXTS))


def test_any_stretch_is_read_as_from_one_run_of_ids(
    make_corpus: MakeCorpus, tokenizer_path: Path, tmp_path: Path
) -> None:
    pack(make_corpus(TEXTS), tokenizer_path, tmp_path / "packed", SMALL_SHARDS)
    stream = TokenStream.open(tmp_path / "packed", "train")
    whole = np.concatenate([np.asarray(shard) for shard in stream.shards]).astype(np.int64)

    for start in (0, 1, stream.starts[1] - 3, stream.starts[2], len(stream) - 2, len(stream)):
        assert stream.read(start, 1500).tolist() == whole[start : start + 1500].tolist()


def test_a_document_longer_than_a_shard_gets_one_of_its_own(
    make_corpus: MakeCorpus, tokenizer_path: Path, code_tokenizer: CodeTokenizer, tmp_path: Path
) -> None:
    long = "x = 1\n" * 900
    pack(make_corpus(["a\n", long, "b\n"]), tokenizer_path, tmp_path / "packed", SMALL_SHARDS)

    stream = TokenStream.open(tmp_path / "packed", "train")

    assert documents(stream, code_tokenizer) == ["a\n", long, "b\n"]
    assert len(stream.shards) == 3


def test_a_share_takes_the_same_documents_every_time_and_all_that_judges(
    make_corpus: MakeCorpus, tokenizer_path: Path, code_tokenizer: CodeTokenizer, tmp_path: Path
) -> None:
    texts = [f"value_{number} = {number}\n" for number in range(200)]
    corpus = make_corpus(texts, ["held = 1\n", "out = 2\n"])
    hashes = set()
    taken = {}
    for share in (1.0, 0.5, 0.25):
        index = pack(corpus, tokenizer_path, tmp_path / "packed", PackingConfig(train_share=share))
        hashes.add(index["content_hash"])
        taken[share] = documents(TokenStream.open(tmp_path / "packed", "train"), code_tokenizer)
        assert len(documents(TokenStream.open(tmp_path / "packed", "heldout"), code_tokenizer)) == 2
    assert taken[1.0] == texts
    assert 70 < len(taken[0.5]) < 130
    assert 0 < len(taken[0.25]) < len(taken[0.5])
    assert set(taken[0.25]) < set(taken[0.5])
    assert len(hashes) == 3


def test_windows_line_ends_are_undone_and_sentinels_in_text_stay_text(
    make_corpus: MakeCorpus, tokenizer_path: Path, code_tokenizer: CodeTokenizer, tmp_path: Path
) -> None:
    pack(make_corpus(["a\r\nb\rc\n", "<|endoftext|>\n"]), tokenizer_path, tmp_path / "packed", SMALL_SHARDS)

    stream = TokenStream.open(tmp_path / "packed", "train")

    assert documents(stream, code_tokenizer) == ["a\nb\rc\n", "<|endoftext|>\n"]


def test_no_heldout_text_is_an_empty_stream(make_corpus: MakeCorpus, tokenizer_path: Path, tmp_path: Path) -> None:
    pack(make_corpus(TEXTS), tokenizer_path, tmp_path / "packed", SMALL_SHARDS)

    heldout = TokenStream.open(tmp_path / "packed", "heldout")

    assert len(heldout) == 0
    assert heldout.read(0, 5).tolist() == []


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        pytest.param(RuntimeError("crash"), RuntimeError, id="a crash"),
        pytest.param(OSError(28, "No space left on device"), CorpusError, id="a full disk"),
    ],
)
def test_a_failure_while_writing_keeps_the_old_folder(
    make_corpus: MakeCorpus,
    tokenizer_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
    raised: type[Exception],
) -> None:
    out = tmp_path / "packed"
    old = pack(make_corpus(TEXTS), tokenizer_path, out, SMALL_SHARDS)
    real_batches = stage._batches

    def failing(documents: Iterable[object]) -> Iterable[list[str]]:
        yield from real_batches(documents)  # type: ignore[arg-type]
        raise failure

    monkeypatch.setattr(stage, "_batches", failing)
    with pytest.raises(raised):
        pack(make_corpus(TEXTS[:3]), tokenizer_path, out, SMALL_SHARDS)

    assert read_index(out) == old
    assert len(TokenStream.open(out, "train")) == old["splits"]["train"]["tokens"]
    assert not list(tmp_path.glob("*.partial"))


def test_a_failure_leaves_no_finished_folder(
    make_corpus: MakeCorpus, tokenizer_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "SPLITS", ("train", "nowhere"))

    with pytest.raises(KeyError):
        pack(make_corpus(TEXTS), tokenizer_path, tmp_path / "packed", SMALL_SHARDS)

    with pytest.raises(CorpusError, match="run `parrotlet-train pack` first"):
        read_index(tmp_path / "packed")


@pytest.mark.parametrize(
    ("vocab_size", "dtype", "expected"),
    [
        pytest.param(2**16, "auto", "uint16", id="the last size that fits"),
        pytest.param(2**16 + 1, "auto", "uint32", id="the first that does not"),
        pytest.param(300, "uint32", "uint32", id="asked for"),
    ],
)
def test_ids_are_as_wide_as_the_vocabulary_needs(vocab_size: int, dtype: str, expected: str) -> None:
    assert stage._dtype(vocab_size, PackingConfig(dtype=dtype)).name == expected  # type: ignore[arg-type]


def test_a_vocabulary_too_large_for_uint16_is_refused() -> None:
    with pytest.raises(CorpusError, match='65537 tokens: choose "uint32"'):
        stage._dtype(2**16 + 1, PackingConfig(dtype="uint16"))


def test_an_empty_corpus_is_refused(make_corpus: MakeCorpus, tokenizer_path: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no training text"):
        pack(make_corpus([], ["held out\n"]), tokenizer_path, tmp_path / "packed", SMALL_SHARDS)

    assert not (tmp_path / "packed").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format_version": 9}', "\x00"])
def test_a_damaged_index_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "index.json").write_text(content)

    with pytest.raises(CorpusError, match="run `parrotlet-train pack`"):
        TokenStream.open(tmp_path, "train")


def test_an_index_without_its_splits_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(json.dumps({"format_version": 2, "dtype": "uint16"}))

    with pytest.raises(CorpusError, match="is damaged"):
        TokenStream.open(tmp_path, "train")


@pytest.mark.parametrize("name", ["train-00000.bin", "train-00001.offsets"])
@pytest.mark.parametrize("keep", [0, 1, 8, 100, 101])
def test_a_file_that_is_not_what_the_index_says_is_named(
    make_corpus: MakeCorpus, tokenizer_path: Path, tmp_path: Path, name: str, keep: int
) -> None:
    pack(make_corpus(TEXTS), tokenizer_path, tmp_path / "packed", SMALL_SHARDS)
    file = tmp_path / "packed" / name
    content = file.read_bytes()
    file.write_bytes(content[: min(keep, len(content) - 1)])

    with pytest.raises(CorpusError, match=rf"{name} .*run `parrotlet-train pack` again"):
        TokenStream.open(tmp_path / "packed", "train")


@pytest.mark.parametrize("name", ["train-00000.bin", "train-00000.offsets"])
def test_one_changed_bit_is_found(make_corpus: MakeCorpus, tokenizer_path: Path, tmp_path: Path, name: str) -> None:
    pack(make_corpus(TEXTS), tokenizer_path, tmp_path / "packed", SMALL_SHARDS)
    file = tmp_path / "packed" / name
    content = bytearray(file.read_bytes())
    content[9] ^= 1
    file.write_bytes(content)

    with pytest.raises(CorpusError, match=rf"{name} is damaged, its checksum has changed"):
        TokenStream.open(tmp_path / "packed", "train")


def test_the_version_before_is_refused_with_the_remedy(
    make_corpus: MakeCorpus, tokenizer_path: Path, tmp_path: Path
) -> None:
    index = pack(make_corpus(TEXTS), tokenizer_path, tmp_path / "packed", SMALL_SHARDS)
    (tmp_path / "packed" / "index.json").write_text(json.dumps({**index, "format_version": 1}))

    with pytest.raises(
        CorpusError, match="has packing format 1, this trainer reads 2: run `parrotlet-train pack` again"
    ):
        TokenStream.open(tmp_path / "packed", "train")


def test_offsets_say_where_each_document_begins(
    make_corpus: MakeCorpus, tokenizer_path: Path, code_tokenizer: CodeTokenizer, tmp_path: Path
) -> None:
    pack(make_corpus(TEXTS, ["held out\n"]), tokenizer_path, tmp_path / "packed", SMALL_SHARDS)
    stream = TokenStream.open(tmp_path / "packed", "train")
    spans = zip(stream.document_starts, stream.document_starts[1:], strict=False)

    read = [stream.read(int(start), int(end - start)).tolist() for start, end in spans]

    assert len(stream.shards) > 2
    assert stream.num_documents == len(TEXTS)
    assert read == [[*code_tokenizer.encode(text), code_tokenizer.end_of_text] for text in TEXTS]


def test_several_processes_write_the_same_shards(
    make_corpus: MakeCorpus, tokenizer_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = make_corpus([*TEXTS, "caf\u00e9 \u4f60\r\n" * 9], ["held out\n"])
    monkeypatch.setattr(stage, "ENCODE_DOCUMENTS", 2)
    monkeypatch.setattr(stage, "BYTES_A_PROCESS", 1)

    for name, processes in (("one", 1), ("two", 2)):
        config = PackingConfig(shard_tokens=1024, processes=processes)
        pack(corpus, tokenizer_path, tmp_path / name, config)

    files = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert files == sorted(file.name for file in (tmp_path / "two").iterdir())
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in files)


def test_what_a_killed_run_left_is_not_mixed_in(make_corpus: MakeCorpus, tokenizer_path: Path, tmp_path: Path) -> None:
    left = tmp_path / ".packed.partial"
    left.mkdir()
    (left / "train-00000.bin").write_bytes(b"half")
    (left / "train-00007.bin").write_bytes(b"of another corpus")

    pack(make_corpus(TEXTS[:2]), tokenizer_path, tmp_path / "packed", SMALL_SHARDS)

    assert sorted(file.name for file in (tmp_path / "packed").iterdir()) == [
        "index.json",
        "train-00000.bin",
        "train-00000.offsets",
    ]
    assert not left.exists()


def test_a_corpus_that_changed_since_is_told(make_corpus: MakeCorpus, tokenizer_path: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    pack(make_corpus(TEXTS), tokenizer_path, packed, SMALL_SHARDS)
    require_current(packed, tmp_path / "corpus")
    corpus = make_corpus(TEXTS[:-1])

    with pytest.raises(CorpusError, match=r"corpus .* has changed since .*packed was made: run `parrotlet-train pack`"):
        require_current(packed, corpus)

    shutil.rmtree(corpus)
    require_current(packed, corpus)
