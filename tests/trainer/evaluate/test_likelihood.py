from __future__ import annotations

from math import log
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from transformers import GPT2Config as HubGPT2Config
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from lsp_server.model.gpt2 import GPT2, GPT2Config
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.evaluate.likelihood import Likelihood, open_scorer, scorer_of, windows

TEXT = "def add(left, right):\n    return left + right\n" * 12


@pytest.fixture(scope="module")
def tokenizer() -> CodeTokenizer:
    return CodeTokenizer.train([TEXT], 280)


def make_network(vocab_size: int, context_tokens: int) -> GPT2:
    torch.manual_seed(0)
    return GPT2(
        GPT2Config(vocab_size=vocab_size, context_tokens=context_tokens, width=16, num_layers=1, num_heads=2)
    ).eval()


def test_text_within_one_window_scores_what_cross_entropy_says(tokenizer: CodeTokenizer) -> None:
    network = make_network(tokenizer.vocab_size, 2048)
    ids = torch.tensor([tokenizer.end_of_text, *tokenizer.encode(TEXT)])
    expected = F.cross_entropy(network(ids[None, :-1])[0], ids[1:], reduction="sum").item()
    scored = scorer_of(network, tokenizer).score(TEXT)
    assert scored.nats == pytest.approx(expected, rel=1e-5)
    assert scored.num_tokens == len(ids) - 1
    assert scored.bits_per_byte == pytest.approx(expected / log(2) / len(TEXT.encode()), rel=1e-5)


def test_a_network_that_knows_nothing_needs_the_vocabularys_bits(tokenizer: CodeTokenizer) -> None:
    network = make_network(tokenizer.vocab_size, 32)
    with torch.no_grad():
        network.wte.weight.zero_()
    scored = scorer_of(network, tokenizer).score(TEXT)
    assert scored.nats / scored.num_tokens == pytest.approx(log(tokenizer.vocab_size), rel=1e-5)


@pytest.mark.parametrize("num_ids", [1, 2, 31, 32, 33, 34, 48, 49, 200, 1000])
def test_every_token_but_the_first_is_scored_once_with_half_a_window_before_it(num_ids: int) -> None:
    scored: list[int] = []
    for start, end, num_scored in windows(num_ids, 32):
        assert end - start <= 33
        first = end - num_scored
        assert start == 0 or first - start >= 16
        scored += range(first, end)
    assert scored == list(range(1, num_ids))


def test_a_folder_of_the_hub_scores_what_its_own_network_says(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    torch.manual_seed(0)
    ends = {"bos_token_id": tokenizer.end_of_text, "eos_token_id": tokenizer.end_of_text}
    shape = {"vocab_size": tokenizer.vocab_size, "n_positions": 2048, "n_embd": 16, "n_layer": 1, "n_head": 2}
    network = GPT2LMHeadModel(HubGPT2Config(**shape, **ends)).eval()
    network.save_pretrained(tmp_path)
    tokenizer.save(tmp_path / "tokenizer.json")
    end = "<|endoftext|>"
    PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"), eos_token=end).save_pretrained(tmp_path)
    ids = torch.tensor([tokenizer.end_of_text, *tokenizer.encode(TEXT)])
    expected = F.cross_entropy(network(ids[None, :-1]).logits[0], ids[1:], reduction="sum").item()
    scored = open_scorer(tmp_path).score(TEXT)
    assert scored.nats == pytest.approx(expected, rel=1e-5)
    assert scored.num_tokens == len(ids) - 1


def test_parts_add_up() -> None:
    part = Likelihood(nats=log(2), num_bytes=1, num_tokens=2, num_correct=1)
    assert (part + part).bits_per_byte == pytest.approx(1.0)
    assert (part + part).accuracy == 0.5
