"""How many tokens a second a size learns from on this machine: whole optimizer steps on made-up rows."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from accelerate.state import AcceleratorState

from lsp_server.model.gpt2 import GPT2, GPT2Config
from trainer.fit.config import FitConfig
from trainer.fit.session import Session
from trainer.fit.steps import take_step
from trainer.plan.shapes import Size

NUM_STEPS = 2
"""Besides a first one, which also loads code and is not counted."""


def measure(size: Size, config: FitConfig) -> float:
    """Tokens a second, by the faster of the steps: the others met something else that ran."""
    model = size.model
    shape = GPT2Config(
        vocab_size=size.vocab_size,
        context_tokens=model.context_tokens,
        width=model.width,
        num_layers=model.num_layers,
        num_heads=model.num_heads,
    )
    session = Session.start(GPT2(shape), config, Path())
    device = session.accelerator.device
    ids = torch.randint(size.vocab_size, (config.batch_rows, config.row_tokens), device=device)
    _seconds_of_step(session, ids)
    fastest = min(_seconds_of_step(session, ids) for _ in range(NUM_STEPS))
    session.accelerator.free_memory()
    AcceleratorState._reset_state(reset_partial_state=False)  # the run may ask for another precision
    return config.batch_rows * config.row_tokens / fastest


def _seconds_of_step(session: Session, ids_BT: torch.Tensor) -> float:
    started = time.perf_counter()
    take_step(session, {"ids": ids_BT, "labels": ids_BT}).loss.item()  # waits for the device
    return time.perf_counter() - started
