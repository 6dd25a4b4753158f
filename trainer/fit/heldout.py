"""The held-out loss during training: plain left-to-right text, rows spread over all of the held-out part."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from trainer.fit.session import Session
from trainer.fit.steps import IGNORED_LABEL, summed_loss


class Tokens(Protocol):
    """What is asked of the held-out text."""

    def __len__(self) -> int: ...

    def read(self, start: int, count: int) -> npt.NDArray[np.int64]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutLoss:
    """One look."""

    nats: float
    """A token."""
    bits_per_byte: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Held-out tokens, and how many bytes they stand for."""

    stream: Tokens
    num_bytes: int
    row_tokens: int
    max_rows: int

    def starts(self) -> list[int]:
        """First token of each row that is scored."""
        num_rows = (len(self.stream) - 1) // self.row_tokens
        return [row * self.row_tokens for row in range(0, num_rows, max(1, -(-num_rows // self.max_rows)))]

    @torch.no_grad()
    def score(self, session: Session) -> HeldOutLoss | None:
        """The mean over the rows, each process scoring its part; None where the held-out text is shorter than a row."""
        starts = self.starts()
        if not starts:
            return None
        mine = starts[session.accelerator.process_index :: session.num_processes]
        session.network.eval()
        sums = torch.zeros(2, dtype=torch.float64)  # nats and tokens
        for first in range(0, -(-len(starts) // session.num_processes), session.rows_at_once):
            sums += self._sums(session, mine[first : first + session.rows_at_once])
        session.network.train()
        nats, num_tokens = session.total(sums.float().to(session.accelerator.device)).tolist()
        mean = nats / num_tokens
        tokens_per_byte = len(self.stream) / max(1, self.num_bytes)
        return HeldOutLoss(nats=mean, bits_per_byte=mean * tokens_per_byte / math.log(2))

    def _sums(self, session: Session, starts: list[int]) -> torch.Tensor:
        """A process with fewer rows reads one without labels: sharded networks run on all processes or on none."""
        device = session.accelerator.device
        rows = [self.stream.read(start, self.row_tokens + 1) for start in starts or [0]]
        ids = torch.from_numpy(np.stack(rows)).to(device)
        labels = ids[:, 1:] if starts else torch.full_like(ids[:, 1:], IGNORED_LABEL)
        nats = summed_loss(session, {"ids": ids[:, :-1], "labels": labels})
        return torch.tensor([nats.item() if starts else 0.0, labels.numel() if starts else 0], dtype=torch.float64)
