"""Our training loop beside a plain one in nanoGPT's style and transformers' Trainer: same network, rows and optimizer.

Each learns a few steps in turn, several times; a figure is the median over all steps but the first of each turn. Ours
is the whole of `trainer.fit.loop.fit`, its curves and bar included, without filling in the middle, which the others do
not have. The peak that MFU refers to is measured before every turn, and the fastest taken.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.report import Figure
from lsp_server.model.gpt2 import GPT2
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.config import CorpusConfig, FitConfig, ModelConfig, PromptConfig, Recipe, TokenizerConfig
from trainer.fit.loop import fit
from trainer.fit.speed import flops_per_token, matmul_peak
from trainer.network import network_config
from trainer.packing import TokenStream
from trainer.stages import STAGES, run_stage

RATIO_TARGET = 0.95
"""Within 5 % of the best."""
LEARNING_RATE, CLIP_NORM, DECAY, BETAS = 1e-4, 1.0, 0.1, (0.9, 0.95)
PREPARED = ("corpus", "tokenizer", "pack")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A network, its batch, and how long it is measured."""

    name: str
    model: ModelConfig
    vocab_size: int
    batch_rows: int
    row_tokens: int
    steps: int
    rounds: int

    def recipe(self) -> Recipe:
        return Recipe(
            run="bench",
            corpus=CorpusConfig(sources=("stdlib",), max_bytes_per_source=6_000_000),
            tokenizer=TokenizerConfig(vocab_size=self.vocab_size, sample_bytes=6_000_000),
            model=self.model,
            prompt=PromptConfig(suffix_tokens=32, new_tokens=32),
            fit=FitConfig(
                batch_rows=self.batch_rows,
                row_tokens=self.row_tokens,
                max_steps=self.steps,
                learning_rate=LEARNING_RATE,
                warmup_share=0.0,
                decay_share=0.0,
                weight_decay=DECAY,
                clip_norm=CLIP_NORM,
                fim_rate=0.0,
                eval_steps=0,
                eval_rows=1,
                samples=0,
                checkpoint_minutes=0,
                trackers=(),
            ),
        )


SMALL = Case(
    name="4 x 256",
    model=ModelConfig(num_layers=4, num_heads=4, width=256, context_tokens=256),
    vocab_size=4096,
    batch_rows=8,
    row_tokens=256,
    steps=8,
    rounds=5,
)
BASE = Case(
    name="34 M",
    model=ModelConfig(num_layers=8, num_heads=8, width=512, context_tokens=1024),
    vocab_size=16_384,
    batch_rows=4,
    row_tokens=512,
    steps=4,
    rounds=3,
)


def figures(quick: bool) -> list[Figure]:
    """Tokens a second of the three, and our MFU, for each case."""
    cases = (replace(SMALL, rounds=3), replace(BASE, batch_rows=1, steps=3, rounds=2)) if quick else (SMALL, BASE)
    return [figure for case in cases for figure in _case_figures(case)]


def _case_figures(case: Case) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        recipe = case.recipe()
        for stage in STAGES:
            if stage.name in PREPARED:
                run_stage(stage, recipe, base)
        runners: dict[str, Callable[[Recipe, Path], list[float]]] = {
            "ours": _ours,
            "plain": _plain,
            "Trainer": _trainer,
        }
        seconds: dict[str, list[float]] = {name: [] for name in runners}
        peaks = []
        for number in range(case.rounds):
            names = list(runners)
            for name in names[number % 3 :] + names[: number % 3]:
                peaks.append(matmul_peak(torch.device("cpu"), torch.bfloat16 if _is_bf16() else torch.float32))
                seconds[name] += runners[name](recipe, base)[1:]
        network = GPT2(network_config(recipe, _vocab_size(base)))
        return _told(case, seconds, flops_per_token(network, case.row_tokens) / max(peaks))


def _told(case: Case, seconds: dict[str, list[float]], seconds_at_peak: float) -> list[Figure]:
    rates = {name: case.batch_rows * case.row_tokens / statistics.median(values) for name, values in seconds.items()}
    peer = max(("plain", "Trainer"), key=lambda name: rates[name])
    peer_names = {"plain": "plain loop", "Trainer": "transformers' Trainer"}
    other = "plain" if peer == "Trainer" else "Trainer"
    return [
        Figure(
            name=f"training {case.name}, tokens/s",
            value=rates["ours"],
            unit="tokens/s",
            peer=peer_names[peer],
            peer_value=rates[peer],
            ratio_target=RATIO_TARGET,
            higher_is_better=True,
        ),
        Figure(
            name=f"training {case.name}, tokens/s, the other peer",
            value=rates["ours"],
            unit="tokens/s",
            peer=peer_names[other],
            peer_value=rates[other],
            ratio_target=RATIO_TARGET,
            higher_is_better=True,
        ),
        Figure(name=f"training {case.name}, MFU", value=100 * rates["ours"] * seconds_at_peak, unit="%"),
    ]


def _ours(recipe: Recipe, base: Path) -> list[float]:
    """The whole loop; its curves say how fast each step was."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder)
        for stage in ("tokenizer", "packed"):
            (run_dir / stage).symlink_to(base / stage)
        fit(recipe, run_dir)
        entries = [json.loads(line) for line in (run_dir / "curves.jsonl").read_text().splitlines()]
    tokens = recipe.fit.batch_rows * recipe.fit.row_tokens
    return [tokens / entry["tokens_per_second"] for entry in entries if "tokens_per_second" in entry]


def _plain(recipe: Recipe, base: Path) -> list[float]:
    """As nanoGPT does it: windows at random places of the mapped ids, autocast, clip, fused AdamW."""
    network = GPT2(network_config(recipe, _vocab_size(base)))
    optimizer = _adamw(network)
    ends = [time.perf_counter()]
    for ids in _windows(recipe, base):
        with torch.autocast("cpu", torch.bfloat16, enabled=_is_bf16()):
            loss = _loss(network, ids)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP_NORM)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        ends.append(time.perf_counter())
    return _differences(ends)


class _WithLoss(nn.Module):
    """What the Trainer asks of a network."""

    def __init__(self, network: GPT2) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        del labels  # the ids hold them: the last is no input
        return {"loss": _loss(self.network, ids)}


def _trainer(recipe: Recipe, base: Path) -> list[float]:
    """transformers' Trainer, with nothing logged or saved."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Clock(TrainerCallback):  # type: ignore[misc]  # transformers is untyped here
        def __init__(self) -> None:
            self.ends = [time.perf_counter()]

        def on_step_end(self, *_: Any, **__: Any) -> None:  # Any: the Trainer's own
            self.ends.append(time.perf_counter())

    network, clock = _WithLoss(GPT2(network_config(recipe, _vocab_size(base)))), Clock()
    rows = [{"ids": row, "labels": row} for ids in _windows(recipe, base) for row in ids]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=recipe.fit.max_steps,
            per_device_train_batch_size=recipe.fit.batch_rows,
            learning_rate=LEARNING_RATE,
            max_grad_norm=CLIP_NORM,
            optim="adamw_torch_fused",
            bf16=_is_bf16(),
            use_cpu=True,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        optimizers = (_adamw(network), None)
        Trainer(model=network, args=arguments, train_dataset=rows, optimizers=optimizers, callbacks=[clock]).train()
    return _differences(clock.ends)


def _differences(ends: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(ends)]


def _adamw(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, betas=BETAS, weight_decay=DECAY, fused=True)


def _windows(recipe: Recipe, base: Path) -> Iterator[Tensor]:
    stream = TokenStream.open(base / "packed", "train")
    drawn = torch.Generator().manual_seed(0)
    for _ in range(recipe.fit.max_steps):
        starts = torch.randint(len(stream) - recipe.fit.row_tokens - 1, (recipe.fit.batch_rows,), generator=drawn)
        rows = [torch.from_numpy(stream.read(int(start), recipe.fit.row_tokens + 1)) for start in starts]
        yield torch.stack(rows)


def _loss(network: GPT2, ids: Tensor) -> Tensor:
    return F.cross_entropy(network(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())


def _vocab_size(base: Path) -> int:
    return CodeTokenizer.load(base / "tokenizer" / "tokenizer.json").vocab_size


def _is_bf16() -> bool:
    return torch.cpu._is_avx512_bf16_supported()
