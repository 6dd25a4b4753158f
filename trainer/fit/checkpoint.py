"""Checkpoints of a run: written whole or not at all, the last ones and the best one kept.

checkpoints/step-00000500/   accelerate's state, progress.json, and average.safetensors where a mean of weights is kept
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import DistributedType
from safetensors.torch import save_file

from lsp_server.errors import CheckpointError
from trainer.fit.averaging import AVERAGE
from trainer.fit.config import FitConfig

FORMAT_VERSION = 2
PROGRESS = "progress.json"
WEIGHTS = "model.safetensors"
SMOOTHING = 0.98
"""Weight of the past in the loss that is shown: about fifty steps."""
Identity = dict[str, Any]  # Any: JSON
"""What must be the same for a run to go on: `model`, `corpus`, and whatever decides which row is which."""


@dataclass(slots=True)
class Progress:
    """How far a run has come. Mutable; the loop owns it."""

    step: int = 0
    rows: int = 0
    """Rows taken by all processes together: the number of the next one."""
    tokens: int = 0
    seconds: float = 0.0
    smooth_loss: float = 0.0
    lowest_loss: float = 0.0
    """Of the smoothed loss."""
    steps_above: int = 0
    """Steps on end whose loss lay far above the lowest."""
    best_heldout: float = 0.0
    """Lowest held-out loss so far, and where it was; 0 when there was none."""
    best_step: int = 0
    num_averaged: int = 0
    """Steps in the running mean of the weights."""
    rows_at_once: int = 0
    """Rows of one forward pass where the recipe's did not fit the memory; 0 when they did."""
    machine: str = ""
    """What the run was last on."""
    watts: float = 0.0
    """About what that draws."""

    def advance(self, *, seconds: float, rows: int, tokens: int) -> None:
        self.step += 1
        self.rows += rows
        self.tokens += tokens
        self.seconds = seconds

    def note_loss(self, loss: float) -> None:
        self.smooth_loss = SMOOTHING * self.smooth_loss + (1 - SMOOTHING) * loss if self.smooth_loss else loss
        self.lowest_loss = min(self.lowest_loss or self.smooth_loss, self.smooth_loss)

    def note_heldout(self, loss: float) -> bool:
        """Whether this is the best so far."""
        is_best = not self.best_step or loss < self.best_heldout
        if is_best:
            self.best_heldout, self.best_step = loss, self.step
        return is_best


def save_checkpoint(
    folder: Path,
    accelerator: Accelerator,
    progress: Progress,
    identity: Identity,
    *,
    keep: int,
    save_more: Callable[[Path], None] = lambda _: None,
) -> Path:
    """Write beside, rename when whole, then drop the oldest; `save_more` adds files of the loop's own.

    Raises: CheckpointError when the disk refuses; the checkpoints already there stay as they are.
    """
    target = folder / _name(progress.step)
    partial = folder / f"partial-{progress.step:08d}"
    try:
        if accelerator.is_main_process:
            _remove_partial(folder)
            partial.mkdir(parents=True)
        accelerator.wait_for_everyone()
        accelerator.save_state(str(partial))
        _gather_shards(accelerator, partial)
        if accelerator.is_main_process:
            save_more(partial)
            state = {"format_version": FORMAT_VERSION, "identity": identity, **asdict(progress)}
            (partial / PROGRESS).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
            shutil.rmtree(target, ignore_errors=True)
            partial.rename(target)
            _drop_oldest(folder, keep, best=_name(progress.best_step))
        accelerator.wait_for_everyone()
    except Exception as error:  # torch and safetensors raise their own kinds for a full disk
        shutil.rmtree(partial, ignore_errors=True)
        raise CheckpointError(
            f"checkpoint {target} was not written ({_reason(error)}): free disk space, then resume"
        ) from error
    return target


def _gather_shards(accelerator: Accelerator, partial: Path) -> None:
    """Under FSDP accelerate writes shards only; a bundle is made from whole weights."""
    if accelerator.distributed_type != DistributedType.FSDP:
        return
    (network,) = accelerator._models
    weights = accelerator.get_state_dict(network)
    if accelerator.is_main_process:
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, partial / WEIGHTS)


def latest_checkpoint(folder: Path) -> Path | None:
    """The last whole checkpoint."""
    found = sorted(folder.glob("step-*")) if folder.is_dir() else []
    return found[-1] if found else None


def best_checkpoint(folder: Path) -> Path | None:
    """The one with the lowest held-out loss, or the last where nothing was held out.

    Raises: CheckpointError when the best one is gone, or the last is damaged.
    """
    last = latest_checkpoint(folder)
    if last is None:
        return None
    progress, _ = read_progress(last)
    best = folder / _name(progress.best_step) if progress.best_step else last
    if not best.is_dir():
        raise CheckpointError(f'{best}, the best checkpoint, is gone: set fit.export to "last"')
    return best


def weights_to_export(folder: Path, config: FitConfig) -> tuple[Path, Path]:
    """The checkpoint that `fit.export` asks for, and the file of its weights. Raises: CheckpointError."""
    checkpoint = best_checkpoint(folder) if config.export == "best" else latest_checkpoint(folder)
    if checkpoint is None:
        raise CheckpointError(f"{folder} holds no checkpoint: run `parrotlet-train fit` first")
    weights = checkpoint / (AVERAGE if config.export == "average" else WEIGHTS)
    if not weights.is_file():
        raise CheckpointError(f'{weights} is not there: set fit.export to "last", or start in a new run folder')
    return checkpoint, weights


def read_progress(checkpoint: Path) -> tuple[Progress, Identity]:
    """The progress and the identity of the run that wrote it. Raises: CheckpointError."""
    try:
        state = json.loads((checkpoint / PROGRESS).read_text(encoding="utf-8"))
        version = state.pop("format_version")
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"{checkpoint} has format {version}, this trainer reads {FORMAT_VERSION}: start in a new run folder, "
                "or finish this run with the Parrotlet that began it"
            )
        identity = dict(state.pop("identity"))
        return Progress(**state), identity
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{checkpoint / PROGRESS} cannot be read ({error}): delete this checkpoint") from error


def load_checkpoint(
    checkpoint: Path,
    accelerator: Accelerator,
    identity: Identity,
    load_more: Callable[[Path, Progress], None] = lambda *_: None,
) -> Progress:
    """Put a checkpoint's state back; `load_more` reads what `save_more` wrote.

    Raises: CheckpointError when it was written for another model, corpus or row length, or cannot be read.
    """
    progress, found = read_progress(checkpoint)
    _check_identity(checkpoint, found, identity)
    accelerator.step = -1
    try:
        accelerator.load_state(str(checkpoint))
        load_more(checkpoint, progress)
        if accelerator.is_main_process and accelerator.step == -1:
            # accelerate passes over random states that it cannot read; it reads its own step from the same file
            raise OSError("the random states are damaged")
    except Exception as error:  # a damaged file raises whatever its reader raises
        raise CheckpointError(
            f"{checkpoint} cannot be read ({_reason(error)}): delete it to go on from the one before"
        ) from error
    accelerator.step = 0
    return progress


def _check_identity(checkpoint: Path, found: Identity, wanted: Identity) -> None:
    for part, value in wanted.items():
        if found.get(part) == value:
            continue
        if part == "corpus":
            raise CheckpointError(
                f"{checkpoint} was trained on packed tokens {str(found.get(part))[:12]}, and these are "
                f"{str(value)[:12]}: put the corpus back, or start in a new run folder"
            )
        raise CheckpointError(
            f"{checkpoint} was trained with {part} {_difference(found.get(part), value)}: "
            "put the recipe back, or start in a new run folder"
        )


def _difference(found: object, wanted: object) -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        changed = [key for key in wanted if found.get(key) != wanted[key]]
        found, wanted = ({key: side.get(key) for key in changed} for side in (found, wanted))
    return f"{found}, not {wanted}"


def _name(step: int) -> str:
    return f"step-{step:08d}"


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _remove_partial(folder: Path) -> None:
    """What a run that was killed while it wrote has left."""
    for partial in folder.glob("partial-*"):
        shutil.rmtree(partial, ignore_errors=True)


def _drop_oldest(folder: Path, keep: int, best: str) -> None:
    for old in sorted(folder.glob("step-*"))[:-keep]:
        if old.name != best:
            shutil.rmtree(old, ignore_errors=True)
