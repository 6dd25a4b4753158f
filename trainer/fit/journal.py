"""What a run tells: a bar with loss, speed and time left, curves for the trackers, and RUN/curves.jsonl for the plot.

RUN/curves.jsonl    a line a step or look: {"step": 9, "tokens": ..., "loss": ...}, {"step": 9, "heldout_loss": ...}
RUN/samples.jsonl   a line a completion
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from trainer.fit.checkpoint import Progress
from trainer.fit.heldout import HeldOutLoss
from trainer.fit.plot import plot_curves
from trainer.fit.samples import Sample
from trainer.fit.session import Session
from trainer.fit.speed import dtype_of, flops_per_token, matmul_peak
from trainer.folders import write_whole

CURVES = "curves.jsonl"
SAMPLES = "samples.jsonl"
TRACKER = "curves"
SECONDS_BEFORE_PEAK = 20
"""Shorter runs are over before a measurement of the peak would pay."""
SECONDS_BETWEEN_PLOTS = 120


class Journal:
    """Mutable: it remembers when it last told what. Only the main process tells anything."""

    def __init__(self, session: Session, run_dir: Path, progress: Progress) -> None:
        self._session = session
        self._run_dir = run_dir
        self._is_teller = session.accelerator.is_main_process
        self._last = (time.monotonic(), progress.tokens)
        self._began = self._plotted = time.monotonic()
        self._rate = 0.0
        self._peak: float | None = None
        self._bar = tqdm(
            total=1.0,
            desc="training",
            disable=not self._is_teller,
            mininterval=1.0,
            miniters=0,
            bar_format="{desc} {percentage:3.0f}%|{bar}|{postfix}",
        )
        session.accelerator.init_trackers(TRACKER, init_kwargs=tracker_options(session.accelerator, run_dir))
        if self._is_teller:
            for name in (CURVES, SAMPLES):
                forget_after(run_dir / name, progress.step)

    def steps(self, entries: Sequence[Mapping[str, float]], progress: Progress, share: float) -> None:
        """Tell of the steps since the last time; each entry has `step`, `tokens` and what was measured."""
        speed = self._speed(progress)
        for entry in entries:
            self._enter({**entry, **speed} if entry is entries[-1] else entry)
        self._bar.set_postfix_str(self._postfix(progress, share, speed), refresh=False)
        self._bar.update(min(share, 1.0) - self._bar.n)

    def go_on(self, progress: Progress) -> None:
        """Have the time until now not counted as that of steps: something else was done."""
        self._last = (time.monotonic(), progress.tokens)

    def heldout(self, name: str, loss: HeldOutLoss, progress: Progress) -> None:
        """Tell of one look at the held-out text; `name` is heldout_loss, or that of the running mean."""
        bits = name.replace("loss", "bits_per_byte")
        self._enter({"step": progress.step, "tokens": progress.tokens, name: loss.nats, bits: loss.bits_per_byte})
        self.say(f"step {progress.step}: {name} {loss.nats:.4f} nats a token, {loss.bits_per_byte:.3f} bits a byte")

    def samples(self, samples: Sequence[Sample], progress: Progress) -> None:
        if not self._is_teller or not samples:
            return
        with (self._run_dir / SAMPLES).open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps({"step": progress.step, **asdict(each)}) + "\n" for each in samples)
        text = "\n\n".join(_as_text(sample) for sample in samples)
        self._session.accelerator.log({"samples": text}, step=progress.step)

    def say(self, line: str) -> None:
        """A line above the bar."""
        if self._is_teller:
            tqdm.write(line)

    def plot(self, *, at_once: bool) -> None:
        """Draw RUN/curves.svg, now or where the last drawing is old."""
        if self._is_teller and (at_once or time.monotonic() - self._plotted > SECONDS_BETWEEN_PLOTS):
            self._plotted = time.monotonic()
            plot_curves(self._run_dir / CURVES, self._run_dir / "curves.svg")

    def close(self) -> None:
        self._bar.close()
        self._session.accelerator.end_training()

    def _enter(self, entry: Mapping[str, float]) -> None:
        if not self._is_teller:
            return
        with (self._run_dir / CURVES).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")
        values = {name: value for name, value in entry.items() if name != "step"}
        self._session.accelerator.log(values, step=int(entry["step"]))

    def _speed(self, progress: Progress) -> dict[str, float]:
        now, (then, tokens_then) = time.monotonic(), self._last
        self._last = (now, progress.tokens)
        self._rate = (progress.tokens - tokens_then) / max(now - then, 1e-9)
        speed = {"tokens_per_second": self._rate}
        if now - self._began > SECONDS_BEFORE_PEAK and self._is_teller:
            if self._peak is None:
                self._peak = self._measure_peak()
                self.go_on(progress)
            speed["mfu"] = self._rate / self._session.num_processes / self._peak
        return speed

    def _measure_peak(self) -> float:
        """Tokens a second of one process, were it to do nothing but this network's products at the measured peak."""
        accelerator = self._session.accelerator
        flops = flops_per_token(self._session.plain_network, self._session.config.row_tokens)
        peak = matmul_peak(accelerator.device, dtype_of(accelerator.mixed_precision))
        self.say(f"fastest matrix product here: {peak / 1e9:,.0f} GFLOP/s; a token takes {flops / 1e9:.3g} GFLOP")
        return peak / flops

    def _postfix(self, progress: Progress, share: float, speed: Mapping[str, float]) -> str:
        left = progress.seconds * (1 - share) / share if share else math.inf
        mfu = f", MFU {speed['mfu']:.0%}" if "mfu" in speed else ""
        return (
            f" step {progress.step}, loss {progress.smooth_loss:.3f}, {self._rate:,.0f} tokens/s{mfu}, "
            f"{max(0.0, left) / 60:.1f} min left"
        )


def tracker_options(accelerator: Any, run_dir: Path) -> dict[str, dict[str, Any]]:  # Any: accelerate is untyped
    """wandb sends nothing unless its user says so with WANDB_MODE."""
    names = {str(tracker) for tracker in accelerator.log_with}
    return {"wandb": {"mode": os.environ.get("WANDB_MODE", "offline"), "dir": str(run_dir)}} if "wandb" in names else {}


def forget_after(path: Path, step: int) -> None:
    """A run that was killed told of steps that it takes again."""
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    if len(kept) < len(lines):
        write_whole(path, "".join(kept))


def _as_text(sample: Sample) -> str:
    """Markdown, for TensorBoard."""
    suffix = f" ⟦suffix⟧ {sample.suffix}" if sample.suffix else ""
    return f"```\n{sample.prefix}⟦proposed⟧{sample.proposed}⟦wanted⟧{sample.wanted}{suffix}\n```"
