"""A model of the Hub's kind from the cursor to the suggestion, through the engine and the pipeline that users get."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import torch
import transformers
from hub_folders import byte_level, of_family, save_hub_model
from torch.nn.utils.rnn import pad_sequence

from lsp_server.assembly import open_completer
from lsp_server.cli import main
from lsp_server.completion.snapshot import Snapshot
from lsp_server.doctor import Health, examine
from lsp_server.engine.api import EngineState
from lsp_server.engine.choice import EngineChoice
from lsp_server.engine.local import LocalEngine
from lsp_server.engine.recorder import Recorder
from lsp_server.model.hub_folder import HubModel, open_hub_model
from lsp_server.settings import Settings

PREFIX, MIDDLE, SUFFIX = "def add(left, right):\n    return", " left + right", "\n\n\nclass Point:\n    pass\n"
WAIT_SECONDS = 30.0
SETTINGS = Settings(deadline_ms=30_000)


def taught(folder: Path, kind: str, family: str, **tokenizer_config: object) -> Path:
    """A network that has learnt one thing by heart: what stands between PREFIX, with a space or without, and SUFFIX."""
    torch.manual_seed(0)
    save_hub_model(folder, kind, of_family(family), **tokenizer_config)
    model = open_hub_model(folder)
    tokenizer = model.load_tokenizer()
    lessons = [_lesson(model, before, tokenizer.last_piece(before)) for before in (PREFIX, PREFIX + " ")]
    ids = pad_sequence([ids for ids, _ in lessons], batch_first=True)
    labels = pad_sequence([labels for _, labels in lessons], batch_first=True, padding_value=-100)
    network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(120):
        optimizer.zero_grad()
        loss = network(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
    network.save_pretrained(folder)
    return folder


def _lesson(model: HubModel, before: str, last_piece: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and labels: the prompt as it is asked, without the last piece, which the answer begins with."""
    tokenizer = model.load_tokenizer()
    prefix = tokenizer.encode(before.removesuffix(last_piece))
    prompt = model.prompts.build(prefix=prefix, suffix=tokenizer.encode(SUFFIX))
    answer = last_piece + (MIDDLE + "\n").removeprefix(last_piece if last_piece == " " else "")
    answer_ids = tokenizer.encode(answer)
    return torch.tensor([*prompt, *answer_ids]), torch.tensor([-100] * len(prompt) + answer_ids)


def snapshot(before: str = PREFIX, after: str = SUFFIX) -> Snapshot:
    return Snapshot(uri="u", language="python", text=before + after, offset=len(before))


async def ready(engine: Recorder) -> None:
    async def poll() -> None:
        while (status := await engine.status()).state is not EngineState.READY:
            assert status.state is EngineState.LOADING, status.message
            await asyncio.sleep(0.005)

    await asyncio.wait_for(poll(), WAIT_SECONDS)


@pytest.mark.parametrize(
    ("kind", "family", "settings"),
    [
        ("qwen2", "Qwen2.5-Coder", {}),
        ("starcoder2", "StarCoder2", {}),
        ("llama", "CodeLlama", {"add_bos_token": True, "bos_token": "<s>"}),
    ],
)
async def test_the_middle_is_suggested_with_its_leading_space_and_without_what_follows(
    kind: str, family: str, settings: dict[str, object], tmp_path: Path
) -> None:
    folder = taught(tmp_path, kind, family, **settings)
    engine = Recorder(LocalEngine(EngineChoice(model=folder, device="cpu", threads=1)))
    try:
        await ready(engine)
        completer = open_completer(folder, engine)
        (suggestion,) = await completer.suggest(snapshot(), SETTINGS, automatic=True)
        assert suggestion.text == MIDDLE
        found = await completer.suggest(snapshot(), SETTINGS, automatic=False)
        assert found[0].text == MIDDLE, "the greedy one stays in front of the sampled ones"
        newcomer = open_completer(folder, engine)  # one that has no suggestion in its cache
        (behind,) = await newcomer.suggest(snapshot(PREFIX + " "), SETTINGS, automatic=True)
        assert behind.text == MIDDLE[1:], "behind a space, the answer goes on without it"
        await newcomer.suggest(snapshot(PREFIX + " "), SETTINGS, automatic=False)
        assert engine.timings[-1].reused_tokens == len(newcomer.prompt(snapshot(PREFIX + " ")).ids) - 1
    finally:
        await engine.close()


def test_the_command_line_takes_such_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = taught(tmp_path, "qwen2", "Qwen2.5-Coder")
    file = tmp_path / "file.py"
    file.write_text(PREFIX + SUFFIX)
    arguments = ["complete", f"{file}:2", "--model", str(folder), "--device", "cpu", "--in-process", "--greedy"]
    assert main([*arguments, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [each["text"] for each in answer["suggestions"]] == [MIDDLE]
    assert answer["model"] == str(folder.resolve())


@pytest.mark.parametrize(
    ("family", "words"),
    [
        ("Qwen2.5-Coder", "gpt2 of the Qwen2.5-Coder family, fills in the middle"),
        (None, "gpt2 of no known family, sees the text before the cursor only"),
    ],
)
def test_the_doctor_names_family_use_and_window(
    family: str | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "lsp_server.doctor.make_engine",
        lambda *_, **__: LocalEngine(EngineChoice(model=tmp_path, device="cpu", threads=1)),
    )
    save_hub_model(tmp_path, tokenizer=byte_level() if family is None else of_family(family))
    found = {finding.subject: finding for finding in examine(EngineChoice(model=tmp_path, device="cpu"))}
    assert found["model"].detail.startswith(words)
    assert "window 128 tokens" in found["model"].detail
    assert (found["model"].health, found["engine"].health) == (Health.OK, Health.OK)


def test_a_pickled_model_is_one_line_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_hub_model(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    file = tmp_path / "file.py"
    file.write_text("a")
    assert main(["complete", str(file), "--model", str(tmp_path), "--in-process"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("parrotlet: ")
    assert error.count("\n") == 1
    assert "pytorch_model.bin is pickled" in error
