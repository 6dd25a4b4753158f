"""`make bench-gpu`: our engine on a GPU beside transformers.generate and the floor. Arguments and order only."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from benchmarks.engine.network import random_bundle
from benchmarks.engine.roster import MODELS
from benchmarks.engine.rounds import Plan
from benchmarks.engine.texts import TextSource
from benchmarks.gpu.engines import GRAPHS, Engines, one_step, weight_bytes
from benchmarks.gpu.figures import gpu_figures
from benchmarks.gpu.floor import count_kernels, measure_floor
from benchmarks.gpu.rounds import Rounds
from benchmarks.report import Figure, publish
from lsp_server.model.bundle import Bundle, open_bundle

SEED = 1
FULL = Plan(rounds=6, requests=20, cold_requests=5, places=0, contexts=(256, 900), cold_tokens=900)
QUICK = Plan(rounds=1, requests=3, cold_requests=2, places=0, contexts=(256, 900), cold_tokens=900)
TEXT_FILES = 40
NO_DEVICE = "bench-gpu needs a CUDA device, and PyTorch sees none here: see benchmarks/GPU.md"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--model", type=Path, help="a bundle (default: the base model's shape with random weights)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu only tries the benchmark out")
    parser.add_argument("--quick", action="store_true", help="one round; no figure to quote")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print(NO_DEVICE, file=sys.stderr)
        return 2
    bundle = open_bundle(options.model) if options.model else random_bundle(MODELS / "random-34m")
    figures, notes = measure(bundle, options.device, QUICK if options.quick else FULL)
    if options.device == "cuda":
        publish("gpu", figures, notes)
    else:
        print("\n".join(figure.line() for figure in figures))
    return 0


def measure(bundle: Bundle, device: str, plan: Plan) -> tuple[list[Figure], dict[str, object]]:
    """The figures, and what belongs beside them in the results."""
    rng = random.Random(SEED)
    texts = TextSource(bundle.load_tokenizer(), TEXT_FILES, rng)
    plan = plan.fitting(bundle.config["n_positions"])
    with closing(Engines(bundle.path, device)) as engines:
        backend = engines.own[GRAPHS].backend
        num_kernels = count_kernels(one_step(bundle, engines.device))
        floor = measure_floor(num_kernels, weight_bytes(bundle, engines.device), engines.device)
        with tqdm(desc="warming up") as progress:
            Rounds(engines, texts, replace(plan, rounds=1), rng).run(progress)
        rounds = Rounds(engines, texts, plan, rng)
        with tqdm(desc="rounds", total=rounds.num_batches) as progress:
            rounds.run(progress)
        notes: dict[str, object] = {
            "device": torch.cuda.get_device_name() if device == "cuda" else "cpu, to try the benchmark out",
            "backend": backend.name,
            "peer": engines.peer.hello.version,
            "draft_cost": backend.draft_cost,
            "samples": rounds.samples.summary(),
        }
    return gpu_figures(rounds.samples, plan, floor), notes


if __name__ == "__main__":
    sys.exit(main())
