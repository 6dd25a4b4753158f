"""Fine-tuning from the recipe to a model that completes code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from lsp_server.cli import main as parrotlet
from lsp_server.model.bundle import open_bundle
from lsp_server.model.weights import load_gpt2
from trainer.cli import main
from trainer.packing import read_index

from .conftest import TEXTS

SMALL = [
    "model.context_tokens=128",
    "prompt.suffix_tokens=16",
    "prompt.new_tokens=16",
    "fit.batch_rows=2",
    "fit.row_tokens=48",
    "fit.max_steps=4",
    "fit.learning_rate=1e-2",
    "fit.precision=fp32",
    "fit.samples=0",
    "fit.eval_rows=4",
    "fit.threads=1",
    "evaluate.tasks=1",
    "evaluate.max_bytes=500",
    "corpus.heldout_share=0.2",
    "corpus.near_duplicates=0",  # they are
    "corpus.min_comment_share=0",
]


@pytest.fixture
def recipe(tmp_path: Path, write_files: Callable[..., Path]) -> Path:
    project = write_files(tmp_path / "project", {f"{number}.py": text for number, text in enumerate(TEXTS)})
    path = tmp_path / "tune.toml"
    path.write_text(f'run = "tuned"\n[corpus]\nsources = ["{project}"]\n')
    return path


def run(recipe: Path, run_dir: Path, *changes: str, command: str = "run") -> int:
    settings = [part for change in (*SMALL, *changes) for part in ("--set", change)]
    return main([command, "--recipe", str(recipe), "--run", str(run_dir), *settings])


def test_a_tuned_gpt2_becomes_a_bundle_that_completes(
    recipe: Path, gpt2_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir, replayed = tmp_path / "run", tmp_path / "project"
    changes = [f"model.pretrained={gpt2_folder}", "tuning.method=lora", "tuning.rank=4"]
    replay = [f"tuning.replay_sources=['{replayed}']", "tuning.replay_share=0.5"]
    assert run(recipe, run_dir, *changes, *replay) == 0
    told = capsys.readouterr().out
    assert "305 tokens" in told
    assert "to replay" in told
    assert read_index(run_dir / "replay" / "packed")["splits"]["heldout"]["tokens"] > 0

    bundle = open_bundle(run_dir / "bundle")
    assert bundle.provenance["pretrained"] == "tiny-gpt2"
    card = (run_dir / "bundle" / "README.md").read_text()
    assert "Fine-tuned by adapters of rank 4 (LoRA) from `tiny-gpt2`. 50% of the rows replayed `project`." in card
    ids = torch.tensor([[0, 7, 9, 301, 302]])
    reference = AutoModelForCausalLM.from_pretrained(run_dir / "bundle", dtype=torch.float32)
    torch.testing.assert_close(load_gpt2(bundle)(ids), reference(ids).logits, atol=1e-4, rtol=1e-4)

    file = tmp_path / "open.py"
    file.write_text(TEXTS[3])
    assert parrotlet(["complete", f"{file}:2:12", "--model", str(run_dir / "bundle"), "--in-process"]) == 0

    mixed = tmp_path / "mixed"
    interpolate = ["interpolate", "--base", str(gpt2_folder), "--tuned", str(run_dir / "bundle"), "--out", str(mixed)]
    assert main([*interpolate, "--share", "0"]) == 0
    base = AutoModelForCausalLM.from_pretrained(gpt2_folder, dtype=torch.float32)
    plain = torch.tensor([[0, 7, 9]])
    of_base = base(plain).logits
    torch.testing.assert_close(load_gpt2(open_bundle(mixed))(plain)[..., :301], of_base, atol=1e-2, rtol=1e-2)
    assert main([*interpolate, "--share", "0.5"]) == 2
    assert "is there already" in capsys.readouterr().err


def test_another_family_becomes_a_transformers_folder(
    recipe: Path, llama_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = tmp_path / "run"
    assert run(recipe, run_dir, f"model.pretrained={llama_folder}") == 0
    told = capsys.readouterr().out
    assert "bits a byte" in told
    assert "left out" not in told
    card = (run_dir / "bundle" / "README.md").read_text()
    assert "It is a llama: 2 layers" in card
    assert "Fine-tuned in full from `tiny-llama`." in card
    assert "| block (1 tasks) |" in card
    assert "drafts.safetensors" not in card

    tokenizer = AutoTokenizer.from_pretrained(run_dir / "bundle")
    model = AutoModelForCausalLM.from_pretrained(run_dir / "bundle")
    assert model.get_input_embeddings().num_embeddings == 320
    assert tokenizer.eos_token_id == model.config.eos_token_id == model.generation_config.eos_token_id
    ids = tokenizer(TEXTS[1], return_tensors="pt").input_ids
    assert tokenizer.decode(ids[0]) == TEXTS[1]
    assert torch.isfinite(model(ids).logits).all()


def test_a_run_stops_when_the_held_out_loss_stops_falling_and_exports_the_best(
    recipe: Path, gpt2_folder: Path, tmp_path: Path
) -> None:
    """A learning rate that ruins the model: the first look is the best."""
    run_dir = tmp_path / "run"
    pace = ["fit.max_steps=40", "fit.eval_steps=1", "fit.patience=3", "fit.export=best", "fit.learning_rate=1.0"]
    ruin = [*pace, "fit.warmup_share=0.0", "fit.spike_nats=0"]
    for command in ("corpus", "tokenizer", "pack", "fit", "export"):
        assert run(recipe, run_dir, f"model.pretrained={gpt2_folder}", *ruin, command=command) == 0
    last = max((run_dir / "checkpoints").glob("step-*"))
    progress = json.loads((last / "progress.json").read_text())
    assert progress["step"] == progress["best_step"] + 3 < 40
    assert open_bundle(run_dir / "bundle").provenance["steps"] == progress["best_step"]


def test_what_is_replayed_is_packed_again_when_it_changes_and_a_checkpoint_of_before_is_refused(
    recipe: Path,
    gpt2_folder: Path,
    tmp_path: Path,
    write_files: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_dir = tmp_path / "run"
    replayed = write_files(tmp_path / "base", {"one.py": TEXTS[0] * 9, "two.py": TEXTS[1] * 9})
    changes = [f"model.pretrained={gpt2_folder}", f"tuning.replay_sources=['{replayed}']", "tuning.replay_share=0.5"]
    assert run(recipe, run_dir, *changes) == 0
    before = read_index(run_dir / "replay" / "packed")["content_hash"]
    assert run(recipe, run_dir, *changes) == 0
    assert "pack: unchanged" in capsys.readouterr().out

    (replayed / "one.py").write_text(TEXTS[2] * 9)
    assert run(recipe, run_dir, *changes) == 2
    assert read_index(run_dir / "replay" / "packed")["content_hash"] != before
    assert "was trained with replay" in capsys.readouterr().err


def test_a_model_that_goes_on_from_one_of_ours_says_what_that_one_had_seen(
    recipe: Path, gpt2_folder: Path, tmp_path: Path, write_files: Callable[..., Path]
) -> None:
    first, second, third = tmp_path / "first", tmp_path / "second", tmp_path / "third"
    other = write_files(tmp_path / "other", {f"{number}.py": text for number, text in enumerate(TEXTS[:20])})
    assert run(recipe, first, f"model.pretrained={gpt2_folder}") == 0
    assert run(recipe, second, f"model.pretrained={first / 'bundle'}", f"corpus.sources=['{other}']") == 0
    assert run(recipe, third, f"model.pretrained={second / 'bundle'}") == 0
    seen, then = (open_bundle(each / "bundle").provenance for each in (first, second))
    assert (seen["tokens_before"], then["tokens_before"]) == (0, seen["tokens_seen"])
    card = (third / "bundle" / "README.md").read_text()
    assert "from `bundle`, which had seen 0.0 million tokens." in card
    own, before = card.partition("## Trained on")[2].split("were trained on these, too:")
    assert "| project |" in own
    assert "| other |" in before
    assert "| project |" not in before, "as much of a source as stands above already"
