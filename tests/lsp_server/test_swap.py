"""The user chooses another model while an editor is open: the server answers with it, and loses no request over it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parent / "protocol"))

from raw_client import GHOST_TEXT_CLIENT, RawClient, texts

from lsp_server.data_folder import FOLDER_VARIABLE
from lsp_server.library import choice
from lsp_server.library.shelf import Shelf
from lsp_server.model.gpt2 import GPT2, GPT2Config
from lsp_server.model.prompt import PromptLayout
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.model.weights import write_bundle

SERVE = ("-m", "lsp_server.cli", "serve", "--device", "cpu", "--threads", "1")
SETTINGS = {
    "debounceMs": 0,
    "deadlineMs": 60_000,
    "temperature": 0.0,
    "maxNewTokens": 3,
    "numCandidates": 1,
    "memory": False,
    "statistics": False,
}


def add_model(name: str, folder: Path, word: str, vocab_size: int) -> None:
    """A model that says `word` after everything, with a vocabulary of its own."""
    texts = [f"x = {word}\ndef function_{number}(value):\n    return value * {number}\n" for number in range(60)]
    tokenizer = CodeTokenizer.train(texts, vocab_size)
    shape = GPT2Config(vocab_size=tokenizer.vocab_size, context_tokens=128, width=64, num_layers=1, num_heads=1)
    torch.manual_seed(0)
    network = GPT2(shape)
    ids = tokenizer.encode(f" {word}")
    steps = torch.optim.Adam(network.parameters(), lr=1e-2)
    text = torch.tensor([[tokenizer.end_of_text, *(ids * 40)][:120]])
    for _ in range(60):
        logits = network(text[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), text[0, 1:])
        steps.zero_grad()
        loss.backward()
        steps.step()
    layout = PromptLayout(context_tokens=128, new_tokens=16, suffix_tokens=16)
    write_bundle(folder / name, network=network, tokenizer=tokenizer, layout=layout)
    shelf = Shelf(name=name)
    shelf.publish(folder / name, shelf.next_version())


@pytest.fixture
async def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RawClient]:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv("PARROTLET_RUNTIME_DIR", str(tmp_path / "r"))
    add_model("alpha", tmp_path, "alpha", 290)
    add_model("beta", tmp_path, "beta", 300)
    choice.use("alpha")
    started = await RawClient.start(*SERVE, "--in-process")
    await started.initialize(GHOST_TEXT_CLIENT, initializationOptions=SETTINGS)
    await started.until_status(lambda status: status["state"] == "ready" and status["window_is_ready"])
    yield started
    await started.kill()


async def ask(client: RawClient, number: int) -> str:
    """One question in a document of its own: no cache answers. It is prose, which may repeat itself."""
    uri = f"file:///swap/{number}.txt"
    text = "alpha alpha\nbeta beta\nx =\n"
    document = {"uri": uri, "languageId": "plaintext", "version": 1, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": document})
    response = await client.inline(2, 3, uri=uri, trigger=1)
    assert "error" not in response, response
    return " ".join(texts(response))


@pytest.mark.slow
async def test_the_chosen_model_answers_without_a_restart_and_no_request_is_lost(client: RawClient) -> None:
    answers = [await ask(client, number) for number in range(3)]
    assert all("alpha" in answer and "beta" not in answer for answer in answers), answers
    choice.use("beta")
    said: list[str] = []
    while len(said) < 2000 and (not said or "beta" not in said[-1]):
        said.append(await ask(client, 10 + len(said)))
    assert all(("alpha" in answer) != ("beta" in answer) for answer in said), said
    status = await client.status()
    assert status["model"] == str(choice.model_in_use())
    assert status["counts"]["failed"] == 0
    choice.back()
    await client.until_status(lambda status: "alpha" in status["model"])
    assert "alpha" in await ask(client, 5000)


@pytest.mark.slow
async def test_a_damaged_model_leaves_the_old_one(client: RawClient) -> None:
    damaged = Shelf(name="beta").version(1).folder / "tokenizer.json"
    damaged.write_text("{}")
    choice.use("beta")
    await client.until(lambda: any("does not match its hash" in str(note) for note in client.notifications))
    assert "alpha" in await ask(client, 1)
