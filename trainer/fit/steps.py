"""One optimizer step: gradients of all its rows, clipped, applied. Knows neither files nor schedules.

The loss of a step is the sum over all its labelled tokens, on all processes, by their number: cut into any number of
forward passes it is the same. The mean of the passes' means, which is widespread, weighs tokens of short rows more.
Source of that trap: https://github.com/huggingface/transformers/issues/34242
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lsp_server.errors import RecipeError
from trainer.fit.chunked_loss import IGNORED_LABEL as IGNORED_LABEL  # read from here by those who make labels
from trainer.fit.chunked_loss import linear_cross_entropy
from trainer.fit.feed import Batch
from trainer.fit.session import SEGMENTS, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """Left on the device, so that nobody waits for it before it is looked at."""

    loss: Tensor
    """This process's part of the mean loss in nats a token; the parts of all processes add up to it."""
    gradient_norm: Tensor


def take_step(session: Session, batch: Batch, parts: int = 1) -> StepResult:
    """One update from all rows of `batch`, each cut into `parts`; in more passes of fewer where they do not fit.

    Raises: RecipeError when not even one row fits.
    """
    loss = _gradients(session, batch, parts)
    while loss is None:
        _make_room(session)
        loss = _gradients(session, batch, parts)
    gradient_norm = session.clip()
    for optimizer in session.optimizers:
        optimizer.step()
        optimizer.zero_grad()
    return StepResult(loss=loss, gradient_norm=gradient_norm)


def _cut(batch: Batch, parts: int) -> Batch:
    """Each row as `parts` shorter ones."""
    return {name: tensor.reshape(len(tensor) * parts, -1) for name, tensor in batch.items()}


def summed_loss(session: Session, batch: Batch) -> Tensor:
    """Nats of all labelled tokens together."""
    gpt2 = session.chunkable
    if gpt2 is None:
        return whole_loss(session, batch)
    with session.accelerator.autocast():
        hidden_BTC = gpt2.features(batch["ids"], batch.get(SEGMENTS))
        return linear_cross_entropy(hidden_BTC.flatten(0, 1), gpt2.wte.weight, batch["labels"].flatten())


def whole_loss(session: Session, batch: Batch) -> Tensor:
    """The same by way of all logits, for any network."""
    logits_BTV = session.logits(batch)
    return F.cross_entropy(
        logits_BTV.flatten(0, 1).float(), batch["labels"].flatten(), ignore_index=IGNORED_LABEL, reduction="sum"
    )


def _gradients(session: Session, batch: Batch, parts: int) -> Tensor | None:
    """Fill the gradients; returns this process's part of the loss, or None when the memory was too small."""
    num_rows, num_processes = len(batch["ids"]), session.num_processes
    num_labels = session.total((batch["labels"] != IGNORED_LABEL).sum()).clamp(min=1)
    nats = torch.zeros((), device=num_labels.device)
    try:
        for start in range(0, num_rows, session.rows_at_once):
            part = {name: tensor[start : start + session.rows_at_once] for name, tensor in batch.items()}
            with session.syncing(last=start + session.rows_at_once >= num_rows):
                loss = summed_loss(session, _cut(part, parts))
                # processes' gradients are averaged, and ours are to be added
                session.accelerator.backward(loss * (num_processes / num_labels))
            nats += loss.detach()
    except torch.OutOfMemoryError:
        return None
    return nats / num_labels


def _make_room(session: Session) -> None:
    """Called outside the handler: while the exception lives, so do the tensors of the pass that failed."""
    before = session.rows_at_once
    if session.num_processes > 1:
        raise RecipeError(
            f"fit.batch_rows is {before}, too many for the memory of one of the processes: halve it and double "
            "fit.accumulate"
        )
    if before == 1:
        raise RecipeError(
            f"fit.row_tokens is {session.config.row_tokens}, and not even one row fits the memory: lower it, "
            "set fit.recompute, or choose a smaller model"
        )
    session.rows_at_once = before // 2
    for optimizer in session.optimizers:
        optimizer.zero_grad()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    session.accelerator.print(
        f"out of memory with {before} rows at once: from here on {session.rows_at_once}, in more passes; "
        "a step's rows stay the same"
    )
