from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from lsp_server import doctor
from lsp_server.doctor import Finding, Health, as_line, examine
from lsp_server.engine.api import CompletionRequest, CompletionResult, EngineState, EngineStatus, OnTokens
from lsp_server.engine.choice import EngineChoice
from lsp_server.engine.native import library
from lsp_server.model.bundle import open_bundle
from lsp_server.model.gpt2 import GPT2, GPT2Config
from lsp_server.model.prompt import PromptLayout
from lsp_server.model.weights import write_bundle


class StatusOnly:
    """An engine that is asked for nothing but its state."""

    def __init__(self, state: EngineState, message: str = "", backend: str = "", **counts: int) -> None:
        status = EngineStatus(state=state, model="m", device="cpu", backend=backend, message=message, pid=7, **counts)
        self._status = status

    async def complete(self, request: CompletionRequest, on_tokens: OnTokens | None = None) -> CompletionResult:
        raise AssertionError("the doctor asks for no completion")

    async def prefill(self, document: str, prompt_ids: tuple[int, ...]) -> None:
        raise AssertionError("the doctor warms nothing")

    async def reload(self, bundle: Path | None) -> None:
        raise AssertionError("the doctor changes nothing")

    async def status(self) -> EngineStatus:
        return self._status

    async def close(self) -> None:
        return None


@pytest.fixture
def engine_state(monkeypatch: pytest.MonkeyPatch) -> list[StatusOnly]:
    engines = [StatusOnly(EngineState.READY)]
    monkeypatch.setattr(doctor, "make_engine", lambda *_, **__: engines[0])
    return engines


def findings(model: Path | None = None, device: str = "cpu") -> dict[str, Finding]:
    return {finding.subject: finding for finding in examine(EngineChoice(model=model, device=device))}


def test_a_sound_installation_has_nothing_bad(engine_state: list[StatusOnly]) -> None:
    found = findings()
    assert {"system", "packages", "command", "memory", "kernel", "model", "device", "engine"} == set(found)
    assert not [finding for finding in found.values() if finding.health is Health.BAD]
    assert "process 7" in found["engine"].detail


@pytest.mark.parametrize(("int8", "words"), [(False, " MB of weights,"), (True, " MB of int8 weights,")])
def test_the_kind_of_weights_is_told(engine_state: list[StatusOnly], tmp_path: Path, int8: bool, words: str) -> None:
    tokenizer = open_bundle().load_tokenizer()
    shape = GPT2Config(vocab_size=tokenizer.vocab_size, context_tokens=64, width=16, num_layers=1, num_heads=1)
    layout = PromptLayout(context_tokens=64, new_tokens=16, suffix_tokens=12)
    write_bundle(tmp_path, network=GPT2(shape), tokenizer=tokenizer, layout=layout, int8=int8)
    assert words in findings(tmp_path)["model"].detail


def test_a_bad_model_hides_none_of_the_other_findings(engine_state: list[StatusOnly], tmp_path: Path) -> None:
    found = findings(tmp_path / "nowhere")
    assert found["model"].health is Health.BAD
    assert "nowhere" in found["model"].detail
    assert "parrotlet-train export" in found["model"].remedy
    assert found["engine"].health is Health.OK


def test_a_device_that_is_not_here_is_bad_and_has_a_remedy(engine_state: list[StatusOnly]) -> None:
    found = findings(device="cuda:63")
    assert found["device"].health is Health.BAD
    assert "auto" in found["device"].remedy


def test_an_engine_that_failed_says_why(engine_state: list[StatusOnly]) -> None:
    engine_state[0] = StatusOnly(EngineState.FAILED, "the weights are damaged")
    found = findings()
    assert found["engine"].health is Health.BAD
    assert found["engine"].detail == "the weights are damaged"


def test_an_engine_that_has_worked_says_how_much_its_cache_saved(engine_state: list[StatusOnly]) -> None:
    assert "no requests so far" in findings()["engine"].detail
    engine_state[0] = StatusOnly(
        EngineState.READY, num_requests=12, prompt_tokens=1000, reused_tokens=934, memory_bytes=345_000_000
    )
    detail = findings()["engine"].detail
    assert detail.endswith("process 7 with 345 MB, 12 requests so far, 93% of their prompts read before")


def test_a_gpu_that_failed_is_noted_with_a_remedy(engine_state: list[StatusOnly]) -> None:
    engine_state[0] = StatusOnly(EngineState.READY, "cuda:0 ran out of memory: the model runs on the CPU")
    found = findings()["engine"]
    assert found.health is Health.NOTE
    assert found.detail.startswith("cuda:0 ran out of memory: the model runs on the CPU;")
    assert "--device cpu" in found.remedy


def test_a_kernel_that_was_not_built_is_a_note_with_the_reason(
    engine_state: list[StatusOnly], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library.load_library.cache_clear()
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    try:
        kernel = findings()["kernel"]
    finally:
        library.load_library.cache_clear()
    assert kernel.health is Health.NOTE
    assert kernel.detail == "the native kernel is not built, so torch decodes, which is slower"
    assert "compiler" in kernel.remedy


def test_the_back_end_that_runs_is_named(engine_state: list[StatusOnly]) -> None:
    engine_state[0] = StatusOnly(EngineState.READY, backend="native int8 (avx2)")
    assert findings()["engine"].detail.startswith("native int8 (avx2) on cpu, ready in ")


def test_a_missing_command_is_only_a_note(engine_state: list[StatusOnly], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", tempfile.gettempdir())
    found = findings()
    assert found["command"].health is Health.NOTE
    assert "PATH" in found["command"].remedy


def test_a_finding_is_one_line_and_its_remedy_another() -> None:
    line = as_line(Finding(subject="model", health=Health.BAD, detail="damaged", remedy="export it again"))
    first, second = line.split("\n")
    assert first == "[ bad] model       damaged"
    assert second.strip() == "-> export it again"
