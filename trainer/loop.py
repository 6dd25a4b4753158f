"""The training loop: packed tokens in, checkpoints and curves out. accelerate owns devices, precision and processes.

Runs as one process or many (`accelerate launch`). A run that is stopped goes on where its last checkpoint stands, with
exactly the next rows, under the recipe as it stands then: a new learning rate or weight decay holds from the next step.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch.nn import functional as F
from torch.utils.data import DataLoader
from tqdm import tqdm

from lsp_server.model.tokenizer import CodeTokenizer
from trainer.checkpoint import Progress, latest_checkpoint, load_checkpoint, save_checkpoint
from trainer.config import FitConfig, Recipe, digest
from trainer.dataset import IGNORED_LABEL, Rows
from trainer.interruption import Interruption
from trainer.network import build_network
from trainer.optim import build_optimizers, learning_rate_factor
from trainer.packing import TokenStream, read_index

EVALUATION_ROWS = 64
"""Rows of held-out text scored during training; the whole held-out set is `parrotlet-train evaluate`'s."""


@dataclass(slots=True)
class _Run:
    """Everything one run holds while it goes on."""

    accelerator: Accelerator
    config: FitConfig
    network: torch.nn.Module
    optimizers: list[Any]  # Any: accelerate's wrapper is untyped
    progress: Progress
    identity: str
    folder: Path


def fit(recipe: Recipe, run_dir: Path) -> Path:
    """Train the recipe's model in `run_dir`, from its last checkpoint if it has one; returns the final checkpoint.

    Ctrl-C and SIGTERM end it behind the step that is running, with a checkpoint.

    Raises:
        CheckpointError: the checkpoint is of another recipe or corpus, or cannot be written.
        CorpusError: the packed tokens are missing, damaged or too few.
        KeyboardInterrupt: interrupted; the checkpoint is written.
    """
    config = recipe.fit
    if config.threads:
        torch.set_num_threads(config.threads)
    set_seed(recipe.seed)
    packed = run_dir / "packed"
    tokenizer = CodeTokenizer.load(run_dir / "tokenizer" / "tokenizer.json")
    rows = Rows.open(
        packed,
        tokenizer,
        row_tokens=config.row_tokens,
        seed=recipe.seed,
        fim_rate=config.fim_rate,
        spm_share=config.spm_share,
    )
    run = _start(recipe, run_dir, tokenizer.vocab_size, read_index(packed)["content_hash"])
    heldout = TokenStream.open(packed, "heldout")
    try:
        with Interruption() as interruption:
            _train(run, rows, heldout, interruption)
    finally:
        run.accelerator.end_training()
    checkpoint = latest_checkpoint(run.folder)
    assert checkpoint is not None, "the last step is followed by a checkpoint"
    return checkpoint


def _start(recipe: Recipe, run_dir: Path, vocab_size: int, content_hash: str) -> _Run:
    accelerator = Accelerator(
        mixed_precision=_precision(recipe.fit),
        gradient_accumulation_steps=recipe.fit.accumulate,
        log_with="tensorboard",
        project_dir=str(run_dir),
    )
    network = build_network(recipe, vocab_size)
    prepared = accelerator.prepare(network, *build_optimizers(network, recipe.fit))
    folder = run_dir / "checkpoints"
    run = _Run(
        accelerator=accelerator,
        config=recipe.fit,
        network=prepared[0],
        optimizers=list(prepared[1:]),
        progress=Progress(),
        identity=digest(recipe.model, recipe.seed, recipe.fit.batch_rows, recipe.fit.row_tokens, content_hash),
        folder=folder,
    )
    for optimizer in run.optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    accelerator.init_trackers("curves")
    checkpoint = latest_checkpoint(folder)
    if checkpoint is not None:
        _resume(run, checkpoint)
    return run


def _resume(run: _Run, checkpoint: Path) -> None:
    groups = [_settings_of_groups(optimizer) for optimizer in run.optimizers]
    run.progress = load_checkpoint(checkpoint, run.accelerator, run.identity)
    for optimizer, settings in zip(run.optimizers, groups, strict=True):
        for group, values in zip(optimizer.param_groups, settings, strict=True):
            group.update(values)  # the recipe's, not those of the checkpoint
    run.accelerator.print(f"resuming from {checkpoint} after {run.progress.step} steps")


def _settings_of_groups(optimizer: Any) -> list[dict[str, Any]]:  # Any: torch's own type of a group
    return [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]


def _precision(config: FitConfig) -> str:
    """bf16 where the device multiplies it natively; fp32 elsewhere."""
    if config.precision != "auto":
        return {"bf16": "bf16", "fp32": "no"}[config.precision]
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "no"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "no"


def _train(run: _Run, rows: Rows, heldout: TokenStream, interruption: Interruption) -> None:
    """Steps until the budget is spent; this is the loop. A run that was finished before takes none."""
    batches = iter(_loader(run, rows))
    started = time.monotonic() - run.progress.seconds
    saved_at = run.progress.seconds
    show = run.accelerator.is_main_process
    with tqdm(
        total=1.0,
        desc="training",
        disable=not show,
        mininterval=1.0,
        miniters=0,
        bar_format="{desc} {percentage:3.0f}%|{bar}|{postfix}",
    ) as bar:
        while _share_done(run) < 1.0:
            _set_learning_rate(run)
            loss = _step(run, batches)
            seconds, interrupted = _agreed(run, time.monotonic() - started, interruption)
            run.progress.advance(
                seconds=seconds,
                tokens=_rows_per_step(run) * run.config.row_tokens,
                loss=loss,
            )
            _show(run, bar, loss)
            finished = _share_done(run) >= 1.0
            if finished or (run.config.eval_steps and run.progress.step % run.config.eval_steps == 0):
                _log_heldout(run, heldout, rows)
            if finished or interrupted or _save_is_due(run, saved_at):
                save_checkpoint(run.folder, run.accelerator, run.progress, run.identity)
                saved_at = run.progress.seconds
            if interrupted and not finished:
                raise KeyboardInterrupt


def _agreed(run: _Run, seconds: float, interruption: Interruption) -> tuple[float, bool]:
    """The clock and the wish to stop that all processes share: if each had its own, one would wait for the others."""
    if run.accelerator.num_processes == 1:
        return seconds, interruption.requested
    mine = torch.tensor([[seconds, float(interruption.requested)]], device=run.accelerator.device)
    latest, requested = run.accelerator.gather(mine).amax(dim=0).tolist()
    return latest, bool(requested)


def _loader(run: _Run, rows: Rows) -> DataLoader[dict[str, torch.Tensor]]:
    """This process's share of the rows, from the first that no step has used.

    It gets a generator of its own, because it draws a number when it starts: taken from torch's, a resumed run would
    drop out other units than an uninterrupted one.
    """
    first = run.progress.tokens // run.config.row_tokens
    mine = _RowNumbers(first + run.accelerator.process_index, run.accelerator.num_processes)
    return DataLoader(rows, batch_size=run.config.batch_rows, sampler=mine, generator=torch.Generator())


class _RowNumbers(torch.utils.data.Sampler[int]):
    """first, first + stride, ... without end."""

    def __init__(self, first: int, stride: int) -> None:
        self._first, self._stride = first, stride

    def __iter__(self) -> Any:  # Any: an endless iterator of int; Sampler's own annotation asks for Iterator
        number = self._first
        while True:
            yield number
            number += self._stride


def _rows_per_step(run: _Run) -> int:
    return run.config.batch_rows * run.config.accumulate * int(run.accelerator.num_processes)


def _share_done(run: _Run) -> float:
    """How much of the run is done, 0 to 1 and beyond: by steps or by time, whichever is further."""
    by_steps = run.progress.step / run.config.max_steps if run.config.max_steps else 0.0
    by_time = run.progress.seconds / (60 * run.config.minutes) if run.config.minutes else 0.0
    return max(by_steps, by_time)


def _set_learning_rate(run: _Run) -> None:
    factor = learning_rate_factor(_share_done(run), run.config)
    for optimizer in run.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * factor


def _step(run: _Run, batches: Any) -> float:  # Any: the loader's iterator
    """One optimizer step over `accumulate` batches; returns the mean loss in nats a token."""
    total = 0.0
    for _ in range(run.config.accumulate):
        batch = {name: tensor.to(run.accelerator.device) for name, tensor in next(batches).items()}
        with run.accelerator.accumulate(run.network):
            loss = _loss(run, batch)
            run.accelerator.backward(loss)
            if run.accelerator.sync_gradients and run.config.clip_norm:
                run.accelerator.clip_grad_norm_(run.network.parameters(), run.config.clip_norm)
            for optimizer in run.optimizers:
                optimizer.step()
                optimizer.zero_grad()
        total += loss.item()
    return total / run.config.accumulate


def _loss(run: _Run, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    with run.accelerator.autocast():
        logits_BTV = run.network(batch["ids"])
    return F.cross_entropy(logits_BTV.flatten(0, 1).float(), batch["labels"].flatten(), ignore_index=IGNORED_LABEL)


def _show(run: _Run, bar: Any, loss: float) -> None:  # Any: tqdm is untyped
    progress = run.progress
    share = _share_done(run)
    left = progress.seconds * (1 - share) / share if share else math.inf
    bar.set_postfix_str(
        f" step {progress.step}, loss {progress.smooth_loss:.3f}, {progress.tokens / progress.seconds:,.0f} tokens/s, "
        f"{max(0.0, left) / 60:.1f} min left",
        refresh=False,
    )
    bar.update(min(share, 1.0) - bar.n)
    rate = run.optimizers[0].param_groups[0]["lr"]
    run.accelerator.log({"loss": loss, "learning_rate": rate, "tokens": progress.tokens}, step=progress.step)


def _save_is_due(run: _Run, saved_at: float) -> bool:
    by_steps = run.config.checkpoint_steps and run.progress.step % run.config.checkpoint_steps == 0
    minutes = run.config.checkpoint_minutes
    by_time = minutes and run.progress.seconds - saved_at > 60 * minutes
    return bool(by_steps or by_time)


@torch.no_grad()
def _log_heldout(run: _Run, heldout: TokenStream, rows: Rows) -> None:
    """Mean loss over held-out rows from all its length, plain left-to-right text."""
    if len(heldout) <= rows.row_tokens:
        return
    run.network.eval()
    losses = []
    num_windows = (len(heldout) - 1) // rows.row_tokens
    for window in range(0, num_windows, max(1, num_windows // EVALUATION_ROWS)):
        ids = torch.from_numpy(heldout.read(window * rows.row_tokens, rows.row_tokens + 1)).to(run.accelerator.device)
        losses.append(_loss(run, {"ids": ids[None, :-1], "labels": ids[None, 1:]}).item())
    run.network.train()
    loss = sum(losses) / len(losses)
    run.accelerator.log({"heldout_loss": loss}, step=run.progress.step)
    run.accelerator.print(f"\nstep {run.progress.step}: held-out loss {loss:.4f} nats a token")
