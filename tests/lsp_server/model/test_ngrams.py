"""The draft table on disk and in use."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lsp_server.errors import BundleError
from lsp_server.model.bundle import DRAFTS, Bundle, open_bundle, seal_bundle
from lsp_server.model.ngrams import NgramTable, context_key

VOCAB = 300


def table_of(**entries: tuple[list[int], int, float]) -> NgramTable:
    rows = sorted((context_key(ids, VOCAB), following, share) for ids, following, share in entries.values())
    keys, following, shares = zip(*rows, strict=True)
    return NgramTable(
        VOCAB,
        torch.tensor(keys),
        torch.tensor(following, dtype=torch.int32),
        torch.tensor(shares, dtype=torch.float16),
    )


TABLE = table_of(
    long=([1, 2, 3], 4, 0.5), short=([2, 3], 9, 0.75), onward=([2, 3, 4], 5, 0.5), last=([299, 299], 298, 1.0)
)


@pytest.mark.parametrize(
    ("ids", "least", "expected", "reason"),
    [
        ([1, 2, 3], 0.4, [4], "the longer context counts; both tokens would be right too seldom"),
        ([1, 2, 3], 0.2, [4, 5], "a proposed token is context for the next"),
        ([8, 2, 3], 0.4, [9], "the shorter one where the longer is unknown"),
        ([2, 3], 0.4, [9], "a text of two tokens"),
        ([8, 2, 3], 0.8, [], "not sure enough"),
        ([3], 0.1, [], "too little text"),
        ([], 0.1, [], "no text"),
        ([0, 299, 299], 0.9, [298], "the last entry"),
        ([7, 7, 7], 0.1, [], "unknown"),
    ],
)
def test_what_is_proposed(ids: list[int], least: float, expected: list[int], reason: str) -> None:
    assert TABLE.propose(ids, 2, least) == expected, reason


def test_no_more_than_the_limit_is_proposed() -> None:
    assert TABLE.propose([1, 2, 3], 1, 0.0) == [4]


def test_contexts_have_keys_of_their_own() -> None:
    contexts = [[0, 0, 0], [0, 0, 1], [0, 1, 0], [299, 299, 299], [0, 0], [0, 1], [299, 299]]
    keys = [context_key(context, VOCAB) for context in contexts]
    assert keys == sorted(set(keys))
    assert context_key([200_000] * 3, 200_001) < 2**63


def test_a_table_survives_the_disk(tmp_path: Path) -> None:
    TABLE.save(tmp_path / "t.safetensors")
    loaded = NgramTable.load(tmp_path / "t.safetensors", VOCAB)
    assert len(loaded) == 4
    assert loaded.propose([1, 2, 3], 2, 0.2) == [4, 5]


@pytest.mark.parametrize("damage", ["cut", "unsorted", "uneven", "vocabulary", "missing"])
def test_a_damaged_table_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "t.safetensors"
    TABLE.save(path)
    tensors = {"keys": TABLE.keys_E, "next_ids": TABLE.next_ids_E, "shares": TABLE.shares_E}
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    elif damage == "unsorted":
        save_file({**tensors, "keys": TABLE.keys_E.flip(0).contiguous()}, path)
    elif damage == "uneven":
        save_file({**tensors, "shares": TABLE.shares_E[:2].clone()}, path)
    elif damage == "missing":
        save_file({"keys": TABLE.keys_E}, path)
    with pytest.raises(BundleError, match=r"t\.safetensors.*export it again"):
        NgramTable.load(path, 200 if damage == "vocabulary" else VOCAB)


def test_a_bundles_table_is_sealed_with_it(bundle: Bundle) -> None:
    assert bundle.drafts_path is None
    TABLE.save(bundle.path / DRAFTS)
    assert open_bundle(bundle.path).drafts_path is None, "a file that the manifest does not name is not read"
    sealed = seal_bundle(bundle.path, layout=bundle.layout, sentinels=bundle.sentinels)
    assert sealed.drafts_path == bundle.path / DRAFTS
    (bundle.path / DRAFTS).write_bytes(b"other")
    with pytest.raises(BundleError, match=f"{DRAFTS} does not match its hash"):
        open_bundle(bundle.path)
