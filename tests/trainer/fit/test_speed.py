"""Arithmetic a token, and the peak it is compared with."""

from __future__ import annotations

import torch

from lsp_server.model.gpt2 import GPT2, GPT2Config
from trainer.fit.speed import flops_per_token, matmul_peak


def test_flops_are_those_of_the_formula() -> None:
    """6 N for the products with N weights, and 12 layers * width * tokens for attention (PaLM, appendix B)."""
    shape = GPT2Config(vocab_size=320, context_tokens=64, width=32, num_layers=2, num_heads=2)
    network = GPT2(shape)
    matrices = sum(
        parameter.numel()
        for name, parameter in network.named_parameters()
        if parameter.ndim == 2 and name != "wpe.weight"
    )

    assert flops_per_token(network, 48) == 6 * matrices + 12 * 2 * 32 * 48
    assert next(network.parameters()).device.type == "cpu", "the network itself stays where it is"


def test_the_peak_is_measured_without_drawing_numbers() -> None:
    state = torch.get_rng_state()

    assert matmul_peak(torch.device("cpu"), torch.float32) > 1e8
    assert torch.equal(torch.get_rng_state(), state)
