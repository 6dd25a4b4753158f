"""Checkpoints of a run: written whole or not at all, the last ones kept. accelerate writes what is inside.

checkpoints/step-00000500/   accelerate's state, and progress.json
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from accelerate import Accelerator

from lsp_server.errors import CheckpointError

FORMAT_VERSION = 1
PROGRESS = "progress.json"
NUM_KEPT = 2
SMOOTHING = 0.98
"""Weight of the past in the loss that is shown: about fifty steps."""


@dataclass(slots=True)
class Progress:
    """How far a run has come. Mutable; the loop owns it."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    smooth_loss: float = 0.0

    def advance(self, *, seconds: float, tokens: int, loss: float) -> None:
        self.smooth_loss = loss if self.step == 0 else SMOOTHING * self.smooth_loss + (1 - SMOOTHING) * loss
        self.step += 1
        self.tokens += tokens
        self.seconds = seconds


def save_checkpoint(folder: Path, accelerator: Accelerator, progress: Progress, identity: str) -> Path:
    """Write beside, rename when whole, then drop the oldest.

    Raises: CheckpointError when the disk refuses; the checkpoints already there stay as they are.
    """
    target = folder / f"step-{progress.step:08d}"
    partial = folder / f"partial-{progress.step:08d}"
    try:
        if accelerator.is_main_process:
            _remove_partial(folder)
            partial.mkdir(parents=True)
        accelerator.wait_for_everyone()
        accelerator.save_state(str(partial))
        if accelerator.is_main_process:
            state = {"format_version": FORMAT_VERSION, "identity": identity, **asdict(progress)}
            (partial / PROGRESS).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
            shutil.rmtree(target, ignore_errors=True)
            partial.rename(target)
            _drop_oldest(folder)
    except Exception as error:  # torch and safetensors raise their own kinds for a full disk
        shutil.rmtree(partial, ignore_errors=True)
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"checkpoint {target} was not written ({reason}): free disk space, then resume"
        ) from error
    return target


def latest_checkpoint(folder: Path) -> Path | None:
    """The last whole checkpoint."""
    found = sorted(folder.glob("step-*")) if folder.is_dir() else []
    return found[-1] if found else None


def read_progress(checkpoint: Path) -> tuple[Progress, str]:
    """The progress and the identity of the run that wrote it. Raises: CheckpointError."""
    try:
        state = json.loads((checkpoint / PROGRESS).read_text(encoding="utf-8"))
        version = state.pop("format_version")
        identity = state.pop("identity")
        progress = Progress(**state)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{checkpoint / PROGRESS} cannot be read ({error}): delete this checkpoint") from error
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{checkpoint} has format {version}, this trainer reads {FORMAT_VERSION}: start a new run"
        )
    return progress, identity


def load_checkpoint(checkpoint: Path, accelerator: Accelerator, identity: str) -> Progress:
    """Put a checkpoint's state back.

    Raises: CheckpointError when it was written for another model, corpus or batch.
    """
    progress, found = read_progress(checkpoint)
    if found != identity:
        raise CheckpointError(
            f"{checkpoint} belongs to another model shape, seed, batch or corpus: "
            "put the recipe back, or start in a new run folder"
        )
    accelerator.step = -1
    try:
        accelerator.load_state(str(checkpoint))
        if accelerator.is_main_process and accelerator.step == -1:
            # accelerate passes over random states that it cannot read; it reads its own step from the same file
            raise OSError("the random states are damaged")
    except Exception as error:  # a damaged file raises whatever its reader raises
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{checkpoint} cannot be read ({reason}): delete it to go on from the one before"
        ) from error
    accelerator.step = 0  # it counts batches; another `accumulate` would not meet its old count
    return progress


def _remove_partial(folder: Path) -> None:
    """What a run that was killed while it wrote has left."""
    for partial in folder.glob("partial-*"):
        shutil.rmtree(partial, ignore_errors=True)


def _drop_oldest(folder: Path) -> None:
    for old in sorted(folder.glob("step-*"))[:-NUM_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
