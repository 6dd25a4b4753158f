"""The engine in this process, with a real tiny model."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from stepping_model import Loader, SteppingModel, request_of

from lsp_server.engine.api import CompletionRequest, EngineState, Recall, SamplingParams, StopRule
from lsp_server.engine.choice import EngineChoice
from lsp_server.engine.local import LocalEngine
from lsp_server.errors import EngineError, EngineLoadingError, PromptError

WAIT_SECONDS = 20.0


async def ready(engine: LocalEngine) -> None:
    await asyncio.wait_for(_ready(engine), WAIT_SECONDS)


async def _ready(engine: LocalEngine) -> None:
    while (await engine.status()).state is EngineState.LOADING:
        await asyncio.sleep(0.005)


async def test_a_real_bundle_answers_and_streams(bundle: Path) -> None:
    engine = LocalEngine(EngineChoice(model=bundle, device="cpu"))
    with pytest.raises(EngineLoadingError):
        await engine.complete(request_of())
    await ready(engine)
    pieces: list[str] = []
    request = CompletionRequest(
        document="d", prompt_ids=(50, 60, 70), stop=StopRule.NONE, sampling=SamplingParams(temperature=0.0)
    )
    result = await engine.complete(request, lambda _, text: pieces.append(text))
    assert result.candidates[0].text == "".join(pieces)
    assert result.candidates[0].token_ids
    with pytest.raises(PromptError):
        await engine.complete(CompletionRequest(document="d", prompt_ids=()))
    status = await engine.status()
    assert (status.state, status.model, status.device) == (EngineState.READY, str(bundle.resolve()), "cpu")
    await engine.close()
    assert not engine.is_running


async def test_a_reload_brings_the_new_weights_and_no_stale_cache(bundle: Path, make_bundle: object) -> None:
    assert callable(make_bundle)
    request = CompletionRequest(
        document="d", prompt_ids=(50, 60, 70), stop=StopRule.NONE, sampling=SamplingParams(temperature=0.0)
    )
    answers = []
    for path in (bundle, make_bundle(1)):
        engine = LocalEngine(EngineChoice(model=path, device="cpu"))
        await ready(engine)
        answers.append((await engine.complete(request)).candidates)
        if path is bundle:
            await engine.reload(make_bundle(1))
            answers.append((await engine.complete(request)).candidates)
        await engine.close()
    old, reloaded, new = answers
    assert old != new
    assert reloaded == new


async def test_what_was_remembered_has_a_say_until_it_is_forgotten(bundle: Path) -> None:
    engine = LocalEngine(EngineChoice(model=bundle, device="cpu"))
    await ready(engine)
    text = list(range(20, 60))
    request = CompletionRequest(
        document="d",
        prompt_ids=tuple(text[:20]),
        stop=StopRule.NONE,
        sampling=SamplingParams(temperature=0.0, max_new_tokens=8),
    )

    async def answer(recall: Recall | None) -> tuple[int, ...]:
        return (await engine.complete(replace(request, recall=recall))).candidates[0].token_ids

    alone = await answer(None)
    assert alone != tuple(text[20:28])
    await engine.remember("c", {"other": text * 4, "own": [*text[:20], *alone[:1] * 20]})
    assert await asyncio.to_thread(engine.settle, WAIT_SECONDS)
    assert await answer(Recall(collection="c")) != alone
    assert await answer(Recall(collection="c", own_name="own")) == tuple(text[20:28])
    assert await answer(Recall(texts=(tuple(text),) * 4)) == tuple(text[20:28]), "the document itself"
    engine.forget_collection("c")
    assert await answer(Recall(collection="c")) == alone
    await engine.close()


@pytest.mark.parametrize(
    ("device", "message"), [("gpu", "device is 'gpu'"), ("cuda:77", "device is cuda:77, but PyTorch sees")]
)
async def test_a_device_that_is_not_there_is_named(bundle: Path, device: str, message: str) -> None:
    engine = LocalEngine(EngineChoice(model=bundle, device=device))
    await ready(engine)
    status = await engine.status()
    assert status.state is EngineState.FAILED
    assert message in status.message
    with pytest.raises(EngineError, match=message):
        await engine.complete(request_of())
    await engine.close()


async def test_cancelling_the_waiting_task_stops_the_model_and_its_stream() -> None:
    model = SteppingModel()
    engine = LocalEngine(load_model=Loader(model))
    await ready(engine)
    pieces: list[str] = []
    task = asyncio.create_task(engine.complete(request_of("d", 1000), lambda _, text: pieces.append(text)))
    await asyncio.to_thread(model.wait_until_in_step)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    model.free()
    assert await engine.complete(request_of("other", 1))
    assert model.num_steps("d") <= 1
    assert pieces == []
    await engine.close()


async def test_a_superseded_request_is_cancelled_for_its_caller() -> None:
    model = SteppingModel()
    engine = LocalEngine(load_model=Loader(model))
    await ready(engine)
    older = asyncio.create_task(engine.complete(request_of("d", 1000)))
    await asyncio.to_thread(model.wait_until_in_step)
    newer = asyncio.create_task(engine.complete(request_of("d", 1)))
    with pytest.raises(asyncio.CancelledError):
        await older
    model.free()
    assert await newer
    await engine.close()


async def test_an_engine_that_was_never_asked_loads_nothing() -> None:
    loader = Loader()
    engine = LocalEngine(load_model=loader)
    await engine.close()
    assert loader.paths == []


@pytest.mark.parametrize("module", ["local", "client", "daemon", "worker", "fake"])
def test_torch_is_not_imported_in_front_of_the_worker(module: str) -> None:
    script = f"import sys, lsp_server.engine.{module}; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == 0
