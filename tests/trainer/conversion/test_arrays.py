from __future__ import annotations

import numpy as np
import torch

from lsp_server.model.bundle import EMBEDDED, open_bundle
from lsp_server.model.weights import load_gpt2
from trainer.conversion.arrays import oriented, read_checkpoint, tokens_by_id


def test_matrices_are_turned_and_everything_is_fp32() -> None:
    name, values = oriented("transformer.h.0.attn.c_attn.weight", np.zeros((2, 6), dtype=np.float16))
    assert (name, values.shape, values.dtype) == ("h.0.attn.c_attn.weight", (6, 2), np.float32)
    assert oriented("transformer.wte.weight", np.zeros((7, 2), dtype=np.float16))[1].shape == (7, 2)


def test_a_checkpoint_holds_the_weights_that_our_engine_loads() -> None:
    checkpoint = read_checkpoint(EMBEDDED)
    state = load_gpt2(open_bundle()).state_dict()
    assert checkpoint.tensors.keys() == state.keys()
    assert all(torch.equal(torch.from_numpy(checkpoint.tensors[name]), tensor) for name, tensor in state.items())


def test_tokens_stand_in_the_order_of_their_ids() -> None:
    added = [{"content": "<|endoftext|>", "id": 0}]
    assert tokens_by_id({"model": {"vocab": {"b": 2, "a": 1}}, "added_tokens": added}) == ("<|endoftext|>", "a", "b")


def test_the_embedded_vocabulary_is_whole() -> None:
    checkpoint = read_checkpoint(EMBEDDED)
    assert len(checkpoint.tokens) == checkpoint.config["vocab_size"]
    assert checkpoint.tokens[checkpoint.config["eos_token_id"]] == "<|endoftext|>"
    assert checkpoint.config["eos_token_id"] in checkpoint.special
    assert all(merge.count(" ") == 1 for merge in checkpoint.merges)
