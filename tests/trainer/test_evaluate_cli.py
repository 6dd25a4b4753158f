"""`parrotlet-train evaluate` and `export` as a user types them, on a tiny bundle with random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lsp_server.model.bundle import Bundle, open_bundle
from lsp_server.model.gpt2 import GPT2, GPT2Config
from lsp_server.model.prompt import PromptLayout
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.model.weights import write_bundle
from trainer.cli import main
from trainer.conversion.forms import to_int8

FUNCTION = '\n\ndef area(width, height):\n    """Of a box."""\n    size = width * height\n    return size\n'
PROBLEM = {
    "task_id": "Lookalike/0",
    "prompt": 'def twice(n):\n    """ Two times n. """\n',
    "entry_point": "twice",
    "canonical_solution": "    return 2 * n\n",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n",
}


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory, code_tokenizer: CodeTokenizer) -> Bundle:
    torch.manual_seed(0)
    shape = GPT2Config(vocab_size=code_tokenizer.vocab_size, context_tokens=64, width=32, num_layers=1, num_heads=2)
    layout = PromptLayout(context_tokens=64, new_tokens=16, suffix_tokens=12)
    folder = tmp_path_factory.mktemp("cli") / "bundle"
    return write_bundle(folder, network=GPT2(shape), tokenizer=code_tokenizer, layout=layout)


@pytest.fixture
def project(tmp_path: Path, write_files: Callable[..., Path], module: Callable[[int], str]) -> Path:
    """A repository that is reserved for judging: no corpus may hold it, but this command may read it."""
    files = {f"{number}.py": module(number) + FUNCTION for number in range(6)}
    return write_files(tmp_path / "thefuck", {**files, "broken.py": b"\xff\xfe", "vendor/a.py": "x = 1\n"})


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    path = tmp_path / "humaneval.jsonl"
    path.write_text(json.dumps(PROBLEM) + "\n")
    return path


def test_any_bundle_is_judged_on_any_code(
    bundle: Bundle, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["evaluate", "--model", str(bundle.path), "--on", str(project), "--num-tasks", "3", "--out", str(out)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert said.startswith("6 files, 0.00 MB\n")
    for words in (
        "bits per byte",
        "line, 3 tasks",
        "word, 3 tasks",
        "block, 3 tasks",
        "span, 3 tasks",
        "6-gram",
        "by source",
        "thefuck",
    ):
        assert words in said
    assert "published, another harness: CodeGPT-adapted exact 42.4 %" in said
    figures = json.loads((out / "figures.json").read_text())
    assert set(figures["completion"]) == {"line", "word", "block", "span"}
    answers = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    assert len(answers) == 12
    assert set(answers[0]["proposed"]) == {"model", "copy", "6-gram"}
    assert sorted(path.name for path in out.iterdir()) == ["answers.jsonl", "figures.json"]


def test_the_same_seed_gives_the_same_figures(bundle: Bundle, project: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        options = [
            "--on",
            str(project),
            "--tasks",
            "line",
            "--num-tasks",
            "3",
            "--seed",
            "7",
            "--out",
            str(tmp_path / name),
        ]
        assert main(["evaluate", "--model", str(bundle.path), *options]) == 0
    first, second = ((tmp_path / name / "figures.json").read_text() for name in ("first", "second"))
    assert first == second


def test_the_benchmarks_own_solutions_need_no_model(benchmark: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--canonical", "--humaneval", str(benchmark), "--unsafe-no-sandbox"]) == 0
    assert "pass@1    100.0%" in capsys.readouterr().out


def test_a_model_is_judged_by_running_what_it_writes(bundle: Bundle, benchmark: Path, tmp_path: Path) -> None:
    options = ["--samples", "2", "--new-tokens", "4", "--unsafe-no-sandbox", "--out", str(tmp_path / "out")]
    assert main(["evaluate", "--model", str(bundle.path), "--humaneval", str(benchmark), *options]) == 0
    figures = json.loads((tmp_path / "out" / "code.json").read_text())
    assert figures["HumanEval"]["num_samples"] == 2
    assert figures["HumanEval"]["temperature"] == 0.4


def test_a_solution_that_does_not_pass_is_an_error(benchmark: Path, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark.write_text(json.dumps({**PROBLEM, "canonical_solution": "    return n\n"}) + "\n")
    assert main(["evaluate", "--canonical", "--humaneval", str(benchmark), "--unsafe-no-sandbox"]) == 2
    assert "1 of 1 solutions of the benchmarks themselves do not pass" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate"], "no model to judge"),
        (["evaluate", "--model", "BUNDLE"], "nothing to judge by"),
        (["evaluate", "--model", "BUNDLE", "--run", "OUT"], "use one of the two"),
        (["evaluate", "--run", "OUT", "--on", "stdlib"], "needs --out DIR"),
        (["evaluate", "--model", "BUNDLE", "--on", "OUT"], "is not a folder"),
        (["evaluate", "--model", "OUT", "--on", "PROJECT"], "there is no model folder"),
        (["evaluate", "--model", "BUNDLE", "--on", "PROJECT", "--tasks", "verse"], "--tasks has verse: choose of line"),
        (["evaluate", "--model", "BUNDLE", "--humaneval", "OUT", "--samples", "0"], "from 1"),
        (["evaluate", "--model", "BUNDLE", "--humaneval", "OUT"], "cannot be read"),
        (["evaluate", "--run", "OUT"], "has no recipe.toml yet"),
        (["export", "--to", "hf"], "which model"),
        (["export", "--to", "hf", "--model", "BUNDLE"], "--out PATH is missing"),
        (["export", "--to", "hf", "--model", "OUT", "--out", "OUT"], "there is no model folder"),
        (["export", "--model", "BUNDLE"], "give --run DIR alone"),
        (["export", "--to", "hf", "--model", "BUNDLE", "--out", "OUT", "--kind", "q8_0"], "choose f32 or f16"),
        (["export", "--to", "int8", "--model", "BUNDLE", "--out", "OUT", "--kind", "f16"], "leave it out"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(
    bundle: Bundle,
    project: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    places = {"OUT": str(tmp_path / "none"), "BUNDLE": str(bundle.path), "PROJECT": str(project)}
    assert main([places.get(argument, argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(("form", "made"), [("hf", "config.json"), ("int8", "parrotlet.json"), ("gguf", "")])
def test_a_bundle_is_exported_in_every_form(
    bundle: Bundle, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, made: str
) -> None:
    out = tmp_path / form
    options = ["--on", str(project)] if form == "int8" else []
    assert main(["export", "--model", str(bundle.path), "--to", form, "--out", str(out), *options]) == 0
    assert (out / made).is_file()
    assert f"export: {out}\n" in capsys.readouterr().out
    if form == "int8":
        assert abs(open_bundle(out).provenance["int8"]["bits_per_byte_loss"]) < 0.02


def test_an_int8_bundle_is_judged_and_exported_again_but_not_quantised_twice(
    bundle: Bundle, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    int8 = str(to_int8(bundle.path, tmp_path / "int8").path)
    out = str(tmp_path / "out")
    assert main(["evaluate", "--model", int8, "--on", str(project), "--num-tasks", "2", "--out", out]) == 0
    assert 0 < json.loads((tmp_path / "out" / "figures.json").read_text())["bits_per_byte"] < 20
    assert main(["export", "--model", int8, "--to", "hf", "--kind", "f32", "--out", str(tmp_path / "hf")]) == 0
    assert json.loads((tmp_path / "hf" / "config.json").read_text())["dtype"] == "float32"
    capsys.readouterr()
    assert main(["export", "--model", int8, "--to", "int8", "--out", out, "--on", str(project)]) == 2
    said = capsys.readouterr()
    assert "in int8 already" in said.err
    assert "costs" not in said.out, "nothing is measured first"


def test_the_embedded_model_is_meant_by_its_name(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--tasks", "line", "--num-tasks", "1"]
    assert main(["evaluate", "--model", "embedded", "--on", str(project), *options]) == 0
    assert "bits per byte" in capsys.readouterr().out
