"""`python -m benchmarks.trainer.corpus_memory [GB]`: the corpus stage's memory on a large corpus, and how flat it is.

The corpus is made of copies of the installed code in which names are changed, so that some copies are near duplicates
and most are not. Memory is the resident memory of all processes together, looked at four times a second; pages they
share count for each. Takes about five minutes a gigabyte on two cores.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.report import Figure
from benchmarks.trainer.corpus import copy_installed

_NAME = re.compile(r"\b[a-z_]{5,}\b")
_SHARES = (0.0, 0.02, 0.3, 0.6, 0.9)
"""Of the names that one copy changes."""


def main() -> None:
    gigabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        num_bytes = _make_copies(folder / "code", int(gigabytes * 1e9))
        peaks, seconds = _watch(folder)
    half = peaks[len(peaks) // 10 : len(peaks) // 2]
    print(Figure(name="corpus, made", value=num_bytes / 1e6, unit="MB").line())
    print(Figure(name="corpus, peak memory of all processes", value=max(peaks) / 1e6, unit="MB").line())
    print(Figure(name="corpus, peak memory in the first half", value=max(half) / 1e6, unit="MB").line())
    print(Figure(name="corpus, wall time", value=seconds, unit="s").line())


def _make_copies(folder: Path, num_bytes: int) -> int:
    texts = copy_installed(folder / "copy0", min(num_bytes, 200_000_000))
    made, copy = sum(map(len, texts)), 1
    while made < num_bytes:
        draw = random.Random(copy)
        share, changed = _SHARES[copy % len(_SHARES)], dict[str, str]()
        for number, text in enumerate(texts):
            target = folder / f"copy{copy}" / f"{number % 50}" / f"module{number}.py"
            target.parent.mkdir(parents=True, exist_ok=True)
            made += target.write_text(_rename(text, share, draw, changed, copy), encoding="utf-8")
            if made >= num_bytes:
                break
        copy += 1
    return made


def _rename(text: str, share: float, draw: random.Random, changed: dict[str, str], copy: int) -> str:
    def rename(match: re.Match[str]) -> str:
        name = match[0]
        return changed.setdefault(name, f"{name}_{copy}" if draw.random() < share else name)

    return _NAME.sub(rename, text)


def _watch(folder: Path) -> tuple[list[int], float]:
    """Resident bytes of the stage and its workers over time, and how long it took."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "trainer.cli", "corpus", str(folder / "code"), "--out", str(folder / "corpus")]
    running = psutil.Popen(command, stdout=subprocess.DEVNULL)
    peaks: list[int] = []
    while running.poll() is None:
        peaks.append(sum(_resident(process) for process in [running, *running.children(recursive=True)]))
        time.sleep(0.25)
    if running.returncode:
        raise SystemExit(f"the corpus stage left with status {running.returncode}")
    return peaks, time.perf_counter() - started


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has just left
        return 0


if __name__ == "__main__":
    main()
