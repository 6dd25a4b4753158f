"""What changes over a run: how much of it is done, the learning rate, the rows of a step and their length.

Pure functions of the recipe and of how far the run has come; nothing here knows torch.
"""

from __future__ import annotations

import math

from trainer.fit.config import LENGTH_WARMUP_PARTS, FitConfig

SMALLEST_BATCH_SHARE = 0.125
"""Where batch warm-up begins. Gradients agree early in a run, so that small batches cost no quality there.
Source: McCandlish et al. 2018 (arXiv 1812.06162), section 3.2: the critical batch grows as the loss falls."""


def share_done(config: FitConfig, *, step: int, tokens: int, seconds: float) -> float:
    """How much of the run is done, 0 to 1 and beyond: by steps, tokens or time, whichever is furthest."""
    by_steps = step / config.max_steps if config.max_steps else 0.0
    by_tokens = tokens / config.max_tokens if config.max_tokens else 0.0
    by_time = seconds / (60 * config.minutes) if config.minutes else 0.0
    return max(by_steps, by_tokens, by_time)


def learning_rate_factor(share: float, config: FitConfig) -> float:
    """What the peak learning rate is multiplied with after `share` (0 to 1) of the run."""
    share = min(max(share, 0.0), 1.0)
    if share < config.warmup_share:
        return max(share / config.warmup_share, 0.01)
    after_warmup = 1 - config.warmup_share
    if config.schedule == "cosine" and after_warmup:
        return 0.5 * (1 + math.cos(math.pi * (share - config.warmup_share) / after_warmup))
    decay_share = config.decay_share if config.schedule == "wsd" else after_warmup
    return min(1.0, (1 - share) / decay_share) if decay_share else 1.0


def rows_of_step(share: float, config: FitConfig, num_processes: int) -> int:
    """Rows of the next step on all processes together: a whole number for each, at least one."""
    full = config.batch_rows * config.accumulate
    if share >= config.batch_warmup_share:
        return full * num_processes
    grown = SMALLEST_BATCH_SHARE + (1 - SMALLEST_BATCH_SHARE) * share / config.batch_warmup_share
    return max(1, round(full * grown)) * num_processes


def row_parts(share: float, config: FitConfig) -> int:
    """Into how many shorter rows each row is cut: quarters in the first half of length warm-up, halves in the second.

    No token is lost by it: a part begins without the text before it.
    """
    if share >= config.length_warmup_share:
        return 1
    return LENGTH_WARMUP_PARTS if share < config.length_warmup_share / 2 else LENGTH_WARMUP_PARTS // 2
