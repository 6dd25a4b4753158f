"""When a run has gone wrong: its loss or gradient is no number, or its loss has jumped and stays up. No torch.

The rule for a jump: `fit.spike_nats` above the lowest smoothed loss there was, for SPIKE_STEPS steps on end. A single
bad batch passes, and so do the short spikes from which runs recover. PaLM's runs (arXiv 2204.02311, section 5.1) were
taken back to a checkpoint by hand at jumps.
"""

from __future__ import annotations

import math

from lsp_server.errors import DivergenceError
from trainer.fit.checkpoint import Progress

SPIKE_STEPS = 20


def judge_step(
    progress: Progress, step: int, loss: float, gradient_norm: float, *, spike_nats: float, scaled: bool
) -> None:
    """Look at a step's loss before it is noted. `scaled` gradients (fp16) may overflow: their scaler skips them.

    Raises: DivergenceError.
    """
    if not math.isfinite(loss):
        raise DivergenceError(f"the loss of step {step} is {loss}")
    if not math.isfinite(gradient_norm) and not scaled:
        raise DivergenceError(f"the gradient of step {step} is {gradient_norm}")
    if not spike_nats or not progress.lowest_loss:
        return
    is_above = loss > progress.lowest_loss + spike_nats
    progress.steps_above = progress.steps_above + 1 if is_above else 0
    if progress.steps_above >= SPIKE_STEPS:
        raise DivergenceError(
            f"the loss has stayed {spike_nats:g} nats above its lowest, {progress.lowest_loss:.3f}, "
            f"for {SPIKE_STEPS} steps: {loss:.3f} at step {step}"
        )
