"""How fast this machine trains, measured on a small GPT-2 for a second or two."""

from __future__ import annotations

import time

import torch
from torch.nn import functional as F

from lsp_server.model.gpt2 import GPT2, GPT2Config
from trainer.arithmetic import training_flops_per_token

SHAPE = GPT2Config(vocab_size=4096, context_tokens=256, width=256, num_layers=4, num_heads=4)
ROWS = 4
SECONDS = 1.5
"""Of steps that count, behind one that does not."""


def training_flops() -> float:
    """Operations a second of whole training steps, by the same law that they are asked of."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with torch.random.fork_rng():
        network = GPT2(SHAPE).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    ids_BT = torch.zeros(ROWS, SHAPE.context_tokens, dtype=torch.long, device=device)
    _step(network, optimizer, ids_BT)
    num_steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        _step(network, optimizer, ids_BT)
        num_steps += 1
    elapsed = time.perf_counter() - started
    a_token = training_flops_per_token(
        num_parameters=network.num_parameters,
        num_layers=SHAPE.num_layers,
        width=SHAPE.width,
        row_tokens=SHAPE.context_tokens,
    )
    return num_steps * ids_BT.numel() * a_token / elapsed


def _step(network: GPT2, optimizer: torch.optim.Optimizer, ids_BT: torch.Tensor) -> None:
    with torch.autocast(ids_BT.device.type, torch.bfloat16, enabled=_has_bf16(ids_BT.device)):
        logits_BTV = network(ids_BT)
    loss = F.cross_entropy(logits_BTV.flatten(0, 1).float(), ids_BT.flatten())
    loss.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
    optimizer.step()
    optimizer.zero_grad()
    if ids_BT.is_cuda:
        torch.cuda.synchronize()


def _has_bf16(device: torch.device) -> bool:
    return torch.cuda.is_bf16_supported() if device.type == "cuda" else torch.cpu._is_avx512_bf16_supported()
