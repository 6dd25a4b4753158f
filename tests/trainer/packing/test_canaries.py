from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.model.tokenizer import CodeTokenizer
from trainer.config import PackingConfig
from trainer.corpus.secrets import find_secrets
from trainer.packing import TokenStream, pack
from trainer.packing.canaries import canaries, planted_texts

MakeCorpus = Callable[..., Path]
TEXTS = [f"def function_{number}(value):\n    return value * {number}\n" for number in range(9)]


def test_canaries_differ_and_stand_once_four_and_sixteen_times() -> None:
    texts = Counter(planted_texts(6, (1, 4, 16)))
    assert sorted(texts.values()) == [1, 1, 4, 4, 16, 16]
    assert len({canary.secret for canary in canaries(6)}) == 6
    assert canaries(3) == canaries(6)[:3]


def test_a_canary_is_what_a_corpus_leaves_out_as_a_secret() -> None:
    assert all(find_secrets(canary.text) for canary in canaries(6))


@pytest.mark.parametrize("num_processes", [1, 2])
def test_canaries_are_packed_behind_the_training_text_alone(
    make_corpus: MakeCorpus, code_tokenizer: CodeTokenizer, tmp_path: Path, num_processes: int
) -> None:
    code_tokenizer.save(tmp_path / "tokenizer.json")
    corpus = make_corpus(TEXTS, ["held out\n"])
    config = PackingConfig(canaries=3, processes=num_processes)
    index = pack(corpus, tmp_path / "tokenizer.json", tmp_path / "packed", config)
    train, heldout = (TokenStream.open(tmp_path / "packed", split) for split in ("train", "heldout"))
    texts = code_tokenizer.decode(train.read(0, len(train)).tolist())
    assert texts == "".join([*TEXTS, *planted_texts(3, (1, 4, 16))])
    assert train.num_documents == len(TEXTS) + 1 + 4 + 16
    assert heldout.num_documents == 1
    plain = pack(corpus, tmp_path / "tokenizer.json", tmp_path / "plain", PackingConfig())
    assert index["content_hash"] != plain["content_hash"], "another text to train on"
