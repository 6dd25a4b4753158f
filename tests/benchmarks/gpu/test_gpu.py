"""The whole benchmark on a CPU and a tiny network: what it measures means nothing, but all of it is run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks import report
from benchmarks.engine.network import random_network
from benchmarks.engine.samples import Samples
from benchmarks.gpu import floor as floors
from benchmarks.gpu.__main__ import NO_DEVICE, main
from benchmarks.gpu.figures import floor_figures, step_figures, warm_figures
from benchmarks.gpu.floor import Floor, bandwidth, count_kernels, launch_seconds
from lsp_server.model.gpt2 import GPT2Config
from lsp_server.model.prompt import PromptLayout
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.model.weights import write_bundle

SHAPE = GPT2Config(vocab_size=270, context_tokens=160, width=32, num_layers=2, num_heads=2)
FLOOR = Floor(num_kernels=125, launch_seconds=0.0003, weight_bytes=60_000_000, bandwidth=3e11)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    layout = PromptLayout(context_tokens=160, new_tokens=32, suffix_tokens=32)
    tokenizer = CodeTokenizer.train(["def add(left, right):\n    return left + right\n" * 4], SHAPE.vocab_size)
    write_bundle(folder, network=random_network(SHAPE), tokenizer=tokenizer, layout=layout)
    return folder


def test_on_a_cpu_everything_runs_and_nothing_is_published(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    assert main(["--device", "cpu", "--quick", "--model", str(bundle)]) == 0
    lines = capsys.readouterr().out
    for start in (
        "floor: a graph of ",
        "floor: reading ",
        "memory bandwidth",
        "a decoding step at ",
        "warm, 24 tokens at ",
        "p90 of warm, 24 tokens",
        "cold, first token at 159",
        "warm, sampled, 4 candidates, graphs",
        "warm, 4 windows at once, eager",
    ):
        assert any(line.startswith(start) for line in lines.splitlines()), start
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_cuda_device_it_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert capsys.readouterr().err == NO_DEVICE + "\n"


def test_the_floor_is_the_longer_of_launching_and_reading() -> None:
    assert FLOOR.read_seconds == pytest.approx(0.0002)
    assert FLOOR.seconds == 0.0003
    launch, read, speed = floor_figures(FLOOR)
    assert (launch.value, read.value, speed.value) == (pytest.approx(0.3), pytest.approx(0.2), pytest.approx(300))
    assert "125 kernels" in launch.name


def test_only_what_computes_is_counted_as_a_kernel() -> None:
    x, y = torch.ones(4, 4), torch.ones(4, 4)

    def step() -> object:
        z = x.view(16)[:8].reshape(2, 4).transpose(0, 1)  # nothing is computed
        x.add_(1)  # in place, one
        return torch.empty(3), z.softmax(0), x @ y  # one each

    assert count_kernels(step) == 3


def test_the_floors_parts_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floors, "REPEATS", 2)
    assert launch_seconds(3, torch.device("cpu")) > 0
    assert bandwidth(torch.device("cpu")) > 0


def test_targets_are_for_graphs_alone() -> None:
    samples = Samples()
    for name, seconds in (("graphs", 0.001), ("eager", 0.005), ("transformers.generate", 0.1)):
        samples.add("a decoding step at 256", name, [seconds])
        samples.add("warm, 24 tokens at 256", name, [seconds, seconds, 10 * seconds])
    graphs, eager = step_figures(samples, 256, FLOOR)
    assert (graphs.verdict, graphs.ratio_target, eager.ratio_target) == ("ok", 4.0, None)
    p50, beside_eager, p90 = warm_figures(samples, 256)
    assert (p50.value, p50.target, p50.peer_value) == (pytest.approx(1), 15.0, pytest.approx(100))
    assert (beside_eager.peer, beside_eager.target) == ("eager", None)
    assert (p90.value, p90.target) == (pytest.approx(8.2), 25.0)
