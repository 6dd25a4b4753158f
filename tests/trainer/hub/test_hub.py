"""Pushing to a stub of the Hub on loopback: what arrives, and that no token is told to anyone else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hub_stub import HubStub

from lsp_server.errors import BundleError, ExportError
from lsp_server.model.bundle import Bundle
from lsp_server.model.gpt2 import GPT2, GPT2Config
from lsp_server.model.prompt import PromptLayout
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.model.weights import write_bundle
from trainer.cli import main
from trainer.hub import plan_push

TOKEN = "hf_abcdefghijklmnop"
LICENSED = "---\nlicense: mit\nlibrary_name: transformers\n---\n\n# tiny\n"


@pytest.fixture
def bundle(tmp_path: Path, code_tokenizer: CodeTokenizer) -> Bundle:
    torch.manual_seed(0)
    network = GPT2(
        GPT2Config(vocab_size=code_tokenizer.vocab_size, context_tokens=32, width=16, num_layers=1, num_heads=1)
    )
    layout = PromptLayout(context_tokens=32, new_tokens=8, suffix_tokens=4)
    return write_bundle(tmp_path / "b", network=network, tokenizer=code_tokenizer, layout=layout, card=LICENSED)


def push(bundle: Bundle, stub: HubStub, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        "HF_ENDPOINT": stub.endpoint,
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(bundle.path.parent / "hf-home"),
        "HF_HUB_DISABLE_XET": "1",  # its uploads do not go over HTTP alone
        "NO_PROXY": "*",
    }
    command = [sys.executable, "-m", "trainer.cli", "push", str(bundle.path), "--to", "someone/tiny", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_whole_bundle_arrives_in_a_private_repository_and_the_token_is_told_to_nobody_else(bundle: Bundle) -> None:
    with HubStub() as stub:
        result = push(bundle, stub, "--verbose")
    assert result.returncode == 0, result.stderr
    assert stub.created.get("visibility") == "private" or stub.created.get("private") is True
    assert stub.created["name"] == "tiny"
    assert set(stub.files) == {path.name for path in bundle.path.iterdir()}
    assert bundle.weights_path.read_bytes() in stub.blobs.values()
    assert stub.tokens == {TOKEN}
    assert TOKEN not in result.stdout + result.stderr
    assert "signature" not in result.stderr
    assert f"push: {stub.endpoint}/someone/tiny/commit/" in result.stdout


def test_a_refusal_is_one_line_without_the_token_and_says_how_to_log_in(bundle: Bundle) -> None:
    with HubStub(status=403) as stub:
        result = push(bundle, stub)
    assert result.returncode == 2
    assert stub.tokens == {TOKEN}
    assert TOKEN not in result.stdout + result.stderr
    assert result.stderr.count("\n") == 1
    assert "hf auth login" in result.stderr


def test_a_repository_that_is_public_already_gets_nothing_that_should_be_private(bundle: Bundle) -> None:
    with HubStub(private=False) as stub:
        result = push(bundle, stub)
    assert result.returncode == 2
    assert "for everyone to read" in result.stderr
    assert not stub.files
    assert not stub.blobs


def test_a_dry_run_says_what_would_be_sent_and_asks_nobody(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert main(["push", str(bundle.path), "--to", "someone/tiny", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "someone/tiny, private, licence mit" in said
    assert "model.safetensors" in said
    assert said.endswith("nothing was sent\n")


def test_there_is_no_option_for_a_token(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["push", str(bundle.path), "--to", "someone/tiny", "--token", TOKEN])


def test_a_public_model_needs_a_licence_on_its_card(bundle: Bundle) -> None:
    assert not plan_push(bundle.path, "someone/tiny", private=False).private
    (bundle.path / "parrotlet.json").unlink()
    (bundle.path / "README.md").write_text("# tiny\n\nlicense: mit\n")
    with pytest.raises(ExportError, match="names no licence"):
        plan_push(bundle.path, "someone/tiny", private=False)
    assert plan_push(bundle.path, "someone/tiny", private=True).licence == ""


def test_a_bundle_that_does_not_match_its_card_is_not_sent(bundle: Bundle) -> None:
    (bundle.path / "README.md").write_text(LICENSED + "better than it is\n")
    with pytest.raises(BundleError, match=r"README\.md does not match"):
        plan_push(bundle.path, "someone/tiny", private=True)


@pytest.mark.parametrize("name", ["tiny", "a/b/c", "someone/", "https://huggingface.co/a/b"])
def test_a_name_that_is_none_is_refused(bundle: Bundle, name: str) -> None:
    with pytest.raises(ExportError, match="OWNER/NAME"):
        plan_push(bundle.path, name, private=True)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="holds no model"):
        plan_push(tmp_path, "someone/tiny", private=True)
