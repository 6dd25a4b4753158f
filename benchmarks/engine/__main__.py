"""`make bench-engine`: our engine and its peers on the same weights and prompts, in turns. Arguments and order only."""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

from tqdm import tqdm

from benchmarks.engine import figures
from benchmarks.engine.bandwidth import LARGE_BYTES, read_bandwidth
from benchmarks.engine.code_rounds import CodeRounds, agreement
from benchmarks.engine.field import Field
from benchmarks.engine.install import BENCH
from benchmarks.engine.network import num_weights_read, random_bundle
from benchmarks.engine.roster import (
    FP32,
    MODELS,
    NOT_RUN,
    ON_CODE,
    OURS,
    OURS_DEFAULT,
    TIMED,
    Command,
    commands,
    own_command,
)
from benchmarks.engine.rounds import BUSY, DRAWING, Plan, Rounds
from benchmarks.engine.samples import Samples, median
from benchmarks.engine.startup import seconds_of_parts, seconds_to_ready
from benchmarks.engine.texts import TextSource, code_places, library_texts
from benchmarks.report import Figure, publish
from lsp_server.engine.device import default_num_threads
from lsp_server.model.bundle import Bundle, open_bundle

LOGS = BENCH / "logs"
SEED = 1
FULL = Plan(rounds=6, requests=10, cold_requests=3, places=30, contexts=(256, 900), cold_tokens=900)
QUICK = Plan(rounds=1, requests=3, cold_requests=1, places=6, contexts=(256, 900), cold_tokens=900)
CODE_ROUNDS = 3
STARTS = 5
TEXT_FILES = 40


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--model", type=Path, help="a bundle (default: random weights, and the embedded model for code)"
    )
    parser.add_argument("--threads", type=int, default=2, help="of every engine (default 2)")
    parser.add_argument("--quick", action="store_true", help="a glance in about a minute; no figure to quote")
    parser.add_argument("--rounds", type=int, help="of the speed measurements (default 6)")
    names = sorted({*TIMED, *ON_CODE} - {OURS})
    parser.add_argument("--peers", nargs="*", choices=names, metavar="NAME", help=f"only these: {', '.join(names)}")
    options = parser.parse_args(arguments)
    bundle = open_bundle(options.model) if options.model else random_bundle(MODELS / "random-34m")
    code_bundle = bundle if options.model else open_bundle()
    plan = QUICK if options.quick else FULL
    benchmark = Benchmark(plan, options.rounds or plan.rounds, options.threads, options.peers)
    lines = benchmark.speed(bundle, 1 if options.quick else STARTS)
    lines += benchmark.code(code_bundle, 1 if options.quick else CODE_ROUNDS)
    publish("engine", lines, benchmark.notes)
    for name, reason in benchmark.missing.items():
        print(f"{name:<46} missing: {reason}", flush=True)


class Benchmark:
    """One run: the parts in order, and what they noted down."""

    def __init__(self, plan: Plan, num_rounds: int, threads: int, peers: Sequence[str] | None) -> None:
        self._plan, self._threads, self._peers = replace(plan, rounds=num_rounds), threads, peers
        self._rng = random.Random(SEED)
        self.missing = dict(NOT_RUN)
        self.notes: dict[str, object] = {
            "threads": threads,
            "default_threads": default_num_threads(),
            "plan": asdict(self._plan),
            "missing": self.missing,
        }

    def speed(self, bundle: Bundle, num_starts: int) -> list[Figure]:
        """Start, typing, cold prompts, drawing and a busy machine, on a network whose weights do not matter."""
        plan = self._plan.fitting(bundle.config["n_positions"])
        start = self._start(bundle, num_starts)
        texts = TextSource(bundle.load_tokenizer(), TEXT_FILES, self._rng)
        weight_bytes = num_weights_read(bundle)
        reads = {"memory": LARGE_BYTES, "as many bytes as the weights": weight_bytes}
        bandwidths: dict[str, list[float]] = {what: [] for what in reads}
        field, found = self._field(TIMED, bundle)
        with closing(field):
            field.start(found, LOGS)
            with tqdm(desc="typing", total=_num_batches(plan, field.names)) as progress:
                rounds = Rounds(field, texts, plan, self._rng, progress)
                for _ in rounds.run():
                    for what, num_bytes in reads.items():
                        bandwidths[what].append(read_bandwidth(num_bytes, self._threads))
            memory = {name: field.memory_mb(name) for name in (OURS, OURS_DEFAULT) if name in field.names}
            self._note("speed", bundle, field)
        floor = figures.Floor(
            weight_bytes=weight_bytes, bandwidths={what: median(values) for what, values in bandwidths.items()}
        )
        return [*figures.speed_figures(field.samples, plan, floor), *figures.start_figures(*start, memory)]

    def code(self, bundle: Bundle, num_rounds: int) -> list[Figure]:
        """The cursor in real code, with weights that have learnt something."""
        field, found = self._field(ON_CODE, bundle)
        with closing(field):
            field.start(found, LOGS)
            with tqdm(desc="real code", total=num_rounds * len(field.names)) as progress:
                rounds = CodeRounds(field, self._rng, progress)
                rounds.run(code_places(bundle, library_texts(), self._rng), self._plan.places, num_rounds)
            self._note("code", bundle, field)
        self.notes["agreement with transformers fp32"] = agreement(rounds.answers, FP32)
        self.notes["speculation"] = {
            name: {"drafted": rounds.drafted[name], "accepted": rounds.accepted[name]} for name in rounds.drafted
        }
        return figures.code_figures(field.samples)

    def _start(self, bundle: Bundle, repeats: int) -> tuple[float, dict[str, float]]:
        LOGS.mkdir(parents=True, exist_ok=True)
        command, log = own_command(bundle.path, self._threads), LOGS / "start.log"
        whole = [seconds_to_ready(command, log) for _ in tqdm(range(repeats), desc="starting")]
        return median(whole), seconds_of_parts(bundle.path, self._threads, repeats)

    def _field(self, names: Sequence[str], bundle: Bundle) -> tuple[Field, dict[str, Command]]:
        wanted = [name for name in names if self._peers is None or name in (OURS, *self._peers)]
        if default_num_threads() == self._threads:
            wanted = [name for name in wanted if name != OURS_DEFAULT]
        found, missing = commands(tqdm(wanted, desc="models"), bundle, self._threads)
        return Field(Samples(), missing), found

    def _note(self, part: str, bundle: Bundle, field: Field) -> None:
        self.missing.update(field.missing)
        self.notes[part] = {
            "model": {"width": bundle.config["n_embd"], "layers": bundle.config["n_layer"]},
            "engines": {name: asdict(hello) for name, hello in field.hellos.items()},
            "short_answers": dict(field.short_answers),
            "samples": field.samples.summary(),
        }


def _num_batches(plan: Plan, names: Sequence[str]) -> int:
    num_ours, num_busy = len(set(names) & set(DRAWING)), len(set(names) & set(BUSY))
    return Rounds.num_batches(plan, len(names), num_ours, num_busy)


if __name__ == "__main__":
    main()
