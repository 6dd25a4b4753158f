"""What is measured and written out during training."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from lsp_server.model.tokenizer import CodeTokenizer
from trainer.fit.config import FitConfig
from trainer.fit.heldout import HeldOut
from trainer.fit.samples import NEW_TOKENS, complete, draw_prompts
from trainer.fit.session import Session

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


class Ids:
    def __init__(self, ids: list[int]) -> None:
        self._ids = np.asarray(ids, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ids)

    def read(self, start: int, count: int) -> npt.NDArray[np.int64]:
        return self._ids[start : start + count]


class Counting(nn.Module):
    """Knows that the next id is one more; sure of it by `sureness`."""

    def __init__(self, vocab_size: int, sureness: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(sureness))
        self.vocab_size = vocab_size
        self.was_training: set[bool] = set()

    def forward(self, ids_BT: torch.Tensor) -> torch.Tensor:
        self.was_training.add(self.training)
        return self.weight * nn.functional.one_hot((ids_BT + 1) % self.vocab_size, self.vocab_size).float()


def session(network: nn.Module) -> Session:
    return Session.start(network, FitConfig(max_steps=1, batch_rows=2, trackers=(), precision="fp32"), Path())


def test_the_held_out_loss_is_the_mean_over_tokens_and_bytes_are_counted() -> None:
    stream = Ids([number % 8 for number in range(101)])
    heldout = HeldOut(stream=stream, num_bytes=404, row_tokens=16, max_rows=64)

    loss = heldout.score(session(Counting(8, sureness=2.0)))

    expected = math.log(math.exp(2.0) + 7) - 2.0
    assert loss is not None
    assert loss.nats == pytest.approx(expected, rel=1e-5)
    assert loss.bits_per_byte == pytest.approx(expected / math.log(2) * 101 / 404, rel=1e-5)


def test_nothing_is_dropped_out_while_looking_and_all_is_as_before_after(code_tokenizer: CodeTokenizer) -> None:
    network = Counting(code_tokenizer.vocab_size, 1.0)
    running, stream = session(network), Ids(code_tokenizer.encode("value = 1\n" * 60))

    HeldOut(stream=stream, num_bytes=9, row_tokens=16, max_rows=4).score(running)
    complete(running, draw_prompts(stream, code_tokenizer, count=2, seed=1, context_tokens=48), code_tokenizer)

    assert network.was_training == {False}
    assert running.network.training


def test_rows_are_spread_over_all_of_the_text_and_never_more_than_asked() -> None:
    heldout = HeldOut(stream=Ids([0] * 1601), num_bytes=1, row_tokens=16, max_rows=10)

    assert heldout.starts() == [row * 160 for row in range(10)]
    assert HeldOut(stream=Ids([0] * 16), num_bytes=1, row_tokens=16, max_rows=10).starts() == []


def test_a_text_shorter_than_a_row_has_no_loss() -> None:
    heldout = HeldOut(stream=Ids([0] * 5), num_bytes=5, row_tokens=16, max_rows=4)

    assert heldout.score(session(Counting(8, 1.0))) is None


def test_samples_continue_from_their_prompts_and_show_what_was_wanted(code_tokenizer: CodeTokenizer) -> None:
    text = "\n".join(f"def function_{n}(value):\n    return value * {n}" for n in range(60))
    ids = code_tokenizer.encode(text)
    prompts = draw_prompts(Ids(ids), code_tokenizer, count=4, seed=3, context_tokens=64)

    samples = complete(session(Counting(code_tokenizer.vocab_size, 5.0)), prompts, code_tokenizer)

    assert [bool(sample.suffix) for sample in samples] == [False, True, False, True]
    for prompt, sample in zip(prompts, samples, strict=True):
        assert sample.prefix + sample.wanted + sample.suffix in text
        last = prompt.ids[-1]
        new = [(last + 1 + step) % code_tokenizer.vocab_size for step in range(NEW_TOKENS)]
        end = new.index(code_tokenizer.end_of_text) if code_tokenizer.end_of_text in new else len(new)
        assert sample.proposed == code_tokenizer.decode(new[:end])
    assert prompts == draw_prompts(Ids(ids), code_tokenizer, count=4, seed=3, context_tokens=64)


def test_a_prompt_is_of_one_document(code_tokenizer: CodeTokenizer) -> None:
    document = [*code_tokenizer.encode("value = 1\n" * 4), code_tokenizer.end_of_text]

    for prompt in draw_prompts(Ids(document * 30), code_tokenizer, count=20, seed=1, context_tokens=64):
        assert code_tokenizer.end_of_text not in prompt.ids[1:]


def test_a_text_too_short_for_prompts_has_none(code_tokenizer: CodeTokenizer) -> None:
    assert draw_prompts(Ids([1] * 20), code_tokenizer, count=4, seed=1, context_tokens=64) == []
