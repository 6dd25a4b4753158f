"""What the loss in chunks saves of a training step: forward and backward pass with each loss in turn, one network.

Processor time, on so many threads as are given, because the machine may be busy: `python -m benchmarks.trainer
--only chunked_loss`, or this module by itself with --threads.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import torch

from benchmarks.report import Figure
from benchmarks.trainer.processor_time import processor_seconds
from lsp_server.model.gpt2 import GPT2, GPT2Config
from trainer.fit.config import FitConfig
from trainer.fit.session import Session
from trainer.fit.steps import summed_loss, whole_loss

ROWS, ROW_TOKENS = 8, 512
SHAPES = {
    "10 M": GPT2Config(vocab_size=8192, context_tokens=512, width=320, num_layers=6, num_heads=5),
    "34 M": GPT2Config(vocab_size=16_384, context_tokens=512, width=512, num_layers=8, num_heads=8),
}
LOSSES = {"chunks": summed_loss, "all logits": whole_loss}


def figures(quick: bool) -> list[Figure]:
    """Seconds of a step of each shape, beside those with all logits."""
    rounds = 2 if quick else 10
    return [_figure(name, shape, rounds) for name, shape in SHAPES.items() if not quick or name == "10 M"]


def _figure(name: str, shape: GPT2Config, rounds: int) -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        config = FitConfig(max_steps=1, trackers=(), batch_rows=ROWS, row_tokens=ROW_TOKENS)
        session = Session.start(GPT2(shape), config, Path(folder))
        seconds: dict[str, list[float]] = {way: [] for way in LOSSES}
        for _ in range(rounds + 1):
            for way in LOSSES:
                seconds[way].append(_step(session, way, shape.vocab_size))
    median = {way: statistics.median(taken[1:]) for way, taken in seconds.items()}
    return Figure(
        name=f"a step with the loss in chunks, {name}",
        value=median["chunks"],
        unit="core-s",
        peer="with all logits",
        peer_value=median["all logits"],
        ratio_target=1.0,
    )


def _step(session: Session, way: str, vocab_size: int) -> float:
    ids = torch.randint(vocab_size, (ROWS, ROW_TOKENS + 1))
    started = processor_seconds()
    loss = LOSSES[way](session, {"ids": ids[:, :-1], "labels": ids[:, 1:]}) / ids[:, 1:].numel()
    loss.backward()  # type: ignore[no-untyped-call]
    session.network.zero_grad()
    return processor_seconds() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--shape", choices=SHAPES, default="10 M")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(_figure(options.shape, SHAPES[options.shape], options.rounds).line())


if __name__ == "__main__":
    main()
