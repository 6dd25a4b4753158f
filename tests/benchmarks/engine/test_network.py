from __future__ import annotations

import torch

from benchmarks.engine.network import num_weights_read, random_network
from lsp_server.model.bundle import open_bundle
from lsp_server.model.gpt2 import GPT2Config
from lsp_server.model.tokenizer import SENTINELS

SMALL = GPT2Config(vocab_size=2_000, context_tokens=128, width=128, num_layers=4, num_heads=4)


@torch.inference_mode()
def greedy(num_tokens: int) -> list[int]:
    network, ids = random_network(SMALL).eval(), list(range(100, 116))
    for _ in range(num_tokens):
        ids.append(int(network(torch.tensor([ids]))[:, -1].argmax()))
    return ids[16:]


def test_random_weights_do_not_repeat_themselves() -> None:
    """Otherwise speculation would guess right, which says nothing of code."""
    assert len(set(greedy(24))) > 12


def test_nothing_ends_early() -> None:
    assert min(greedy(24)) >= len(SENTINELS)


def test_a_step_reads_blocks_and_output_layer() -> None:
    config = open_bundle().config
    network = 6 * 12 * 320**2 + 8192 * 320
    assert (config["n_layer"], config["n_embd"], num_weights_read(open_bundle())) == (6, 320, network)
