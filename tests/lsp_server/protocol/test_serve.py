"""`parrotlet serve` as an editor starts it, with a real engine and a tiny network of random weights."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import torch
from raw_client import GHOST_TEXT_CLIENT, RawClient

from lsp_server.model.gpt2 import GPT2, GPT2Config
from lsp_server.model.prompt import PromptLayout
from lsp_server.model.tokenizer import MIN_VOCAB_SIZE, CodeTokenizer
from lsp_server.model.weights import write_bundle

pytestmark = pytest.mark.asyncio(loop_scope="module")
PROGRAM = """
import sys
from lsp_server.cli import main
code = main(sys.argv[1:])
sys.exit("torch was imported" if "torch" in sys.modules and "--in-process" not in sys.argv else code)
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    torch.manual_seed(0)
    network = GPT2(GPT2Config(vocab_size=MIN_VOCAB_SIZE, context_tokens=128, width=16, num_layers=1, num_heads=2))
    layout = PromptLayout(context_tokens=128, new_tokens=32, suffix_tokens=32)
    write_bundle(folder, network=network, tokenizer=CodeTokenizer.train(["ab"], MIN_VOCAB_SIZE), layout=layout)
    return folder


@pytest_asyncio.fixture(loop_scope="module", params=["--in-process", "--verbose"])
async def served(
    bundle: Path, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RawClient]:
    """One server with the engine inside, and one with the shared engine, which is ended with the test."""
    for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    arguments = ("serve", "--model", str(bundle), "--device", "cpu", request.param, "--stdio")
    client = await RawClient.start("-c", PROGRAM, *arguments, "--log-file", str(tmp_path / "log"))
    await client.initialize(GHOST_TEXT_CLIENT)
    status = await client.until_status(lambda status: status["state"] != "loading")
    yield client
    await client.kill()
    if status["pid"] != client.process.pid:
        os.kill(status["pid"], signal.SIGTERM)


async def test_a_real_engine_answers_and_is_left_in_order(served: RawClient) -> None:
    served.open("def f(a):\n    return \n")
    before = await served.status()
    assert before["state"] == "ready", before["message"]
    while (await served.status())["num_requests"] == before["num_requests"]:
        response = await served.inline(1, 11)
        assert "error" not in response
    after = await served.status()
    assert after["num_steps"] > before["num_steps"]
    assert after["counts"]["failed"] == 0
    assert await served.stop() == 0
