"""Clients and engine processes: started once, shared, and replaced after their death."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
from scripted_engine import DEVICE
from stepping_model import request_of

from lsp_server.engine.address import EngineAddress, EngineIdentity
from lsp_server.engine.api import CompletionRequest, EngineState, EngineStatus, Recall, SamplingParams, StopRule
from lsp_server.engine.choice import EngineChoice
from lsp_server.engine.client import EngineClient
from lsp_server.engine.local import LocalEngine
from lsp_server.errors import (
    BundleError,
    EngineLoadingError,
    EngineUnavailableError,
    PromptError,
    SettingsError,
)
from lsp_server.file_lock import FileLock

HERE = Path(__file__).parent
WAIT_SECONDS = 60.0
MakeClient = Callable[..., EngineClient]

ASK_FOR_STATUS = """
import asyncio, json, sys
from pathlib import Path
from lsp_server.engine.choice import EngineChoice
from lsp_server.engine.client import EngineClient

async def main():
    client = EngineClient(EngineChoice(model=Path(sys.argv[1]), device=sys.argv[2]), command=json.loads(sys.argv[3]))
    print("here", flush=True)
    sys.stdin.readline()
    print((await client.status()).pid)
    await client.close()

asyncio.run(main())
"""


def scripted_command(folder: Path, idle_seconds: float = 600.0) -> list[str]:
    return [sys.executable, str(HERE / "scripted_engine.py"), str(folder), str(idle_seconds)]


@pytest.fixture
async def scripted_client(runtime_folder: Path, tmp_path: Path) -> AsyncIterator[MakeClient]:
    """Makes clients of scripted engines; ends whatever this process has started."""
    clients: list[EngineClient] = []

    def make(idle_seconds: float = 600.0, command: list[str] | None = None) -> EngineClient:
        command = command or scripted_command(tmp_path, idle_seconds)
        clients.append(EngineClient(EngineChoice(model=tmp_path, device=DEVICE), command=command))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()
    await asyncio.to_thread(end_started_processes)


def end_started_processes() -> None:
    started = psutil.Process().children(recursive=True)
    for process in started:
        process.kill()
    psutil.wait_procs(started, WAIT_SECONDS)


def num_starts(runtime_folder: Path) -> int:
    return (runtime_folder / "starts").read_text(encoding="utf-8").count("started")


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


async def ready(engine: EngineClient | LocalEngine) -> EngineStatus:
    async def poll() -> EngineStatus:
        while (status := await engine.status()).state is EngineState.LOADING:
            await asyncio.sleep(0.01)
        return status

    return await asyncio.wait_for(poll(), WAIT_SECONDS)


async def test_the_first_request_starts_an_engine_and_the_second_client_shares_it(
    scripted_client: MakeClient, runtime_folder: Path
) -> None:
    first, second = scripted_client(), scripted_client()
    pids = {(await ready(client)).pid for client in (first, second)}
    assert len(pids) == 1
    assert os.getpid() not in pids
    assert (await first.complete(request_of())).candidates[0].text == "stepping"
    await first.prefill("d", (1, 2))
    await first.close()
    assert (await second.complete(request_of())).candidates[0].text == "stepping"
    assert (await second.status()).num_requests == 2
    assert num_starts(runtime_folder) == 1


def test_eight_simultaneous_starts_give_one_process(runtime_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", ASK_FOR_STATUS, str(tmp_path), DEVICE, json.dumps(scripted_command(tmp_path))]
    clients = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    pids = set()
    try:
        for client in clients:
            assert client.stdout is not None
            assert client.stdout.readline() == "here\n"
        for client in clients:
            assert client.stdin is not None
            client.stdin.write("go\n")
            client.stdin.flush()
        pids = {int(client.communicate(timeout=WAIT_SECONDS)[0]) for client in clients}
        assert len(pids) == 1
        assert num_starts(runtime_folder) == 1
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


async def test_an_engine_killed_in_the_middle_of_a_request(scripted_client: MakeClient, runtime_folder: Path) -> None:
    """The request fails at once, one in another window too, and the next one is answered by a new engine."""
    clients = [scripted_client(), scripted_client()]
    [pid] = {(await ready(client)).pid for client in clients}
    begun = [asyncio.Event(), asyncio.Event()]

    async def hang(number: int) -> None:
        await clients[number].complete(request_of(f"{number} hang"), lambda *_: begun[number].set())

    first, queued = asyncio.create_task(hang(0)), asyncio.create_task(hang(1))
    await asyncio.wait_for(begun[0].wait(), WAIT_SECONDS)
    os.kill(pid, signal.SIGKILL)
    for task in (first, queued):
        with pytest.raises(EngineUnavailableError):
            await asyncio.wait_for(task, WAIT_SECONDS)
    statuses = [await ready(client) for client in clients]
    assert len({pid, *(status.pid for status in statuses)}) == 2
    for client in clients:
        assert await client.complete(request_of())
    assert num_starts(runtime_folder) == 2


async def test_cancelling_and_superseding_reach_through_the_socket(scripted_client: MakeClient) -> None:
    client = scripted_client()
    await ready(client)
    older = asyncio.create_task(client.complete(request_of("hang")))
    newer = asyncio.create_task(client.complete(request_of("hang")))
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(older, WAIT_SECONDS)
    newer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await newer
    assert await asyncio.wait_for(client.complete(request_of("other")), WAIT_SECONDS)


async def test_a_cancelled_request_does_not_stop_the_start_it_began(
    scripted_client: MakeClient, runtime_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    monkeypatch.setenv("SCRIPTED_ENGINE_GATE", str(gate))
    start_lock = EngineAddress.of(EngineIdentity.of(EngineChoice(model=tmp_path, device=DEVICE))).start_lock
    client = scripted_client()
    impatient = asyncio.create_task(client.status())
    await asyncio.wait_for(_until((runtime_folder / "starts").exists), WAIT_SECONDS)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    for _ in range(20):
        await asyncio.sleep(0)
    assert not FileLock(start_lock).try_acquire()  # the start goes on
    gate.touch()
    await ready(client)
    assert num_starts(runtime_folder) == 1


async def test_after_an_idle_exit_the_next_request_starts_a_new_engine(scripted_client: MakeClient) -> None:
    client = scripted_client(idle_seconds=0.3)
    status = await ready(client)
    await asyncio.to_thread(psutil.wait_procs, [psutil.Process(status.pid)], WAIT_SECONDS)
    assert (await ready(client)).pid != status.pid


async def test_an_engine_that_cannot_start_is_reported_and_not_started_for_every_keystroke(
    scripted_client: MakeClient, runtime_folder: Path
) -> None:
    script = f"open({str(runtime_folder / 'starts')!r}, 'a').write('started\\n'); raise SystemExit('no torch here')"
    client = scripted_client(command=[sys.executable, "-c", script])
    for _ in range(5):
        with pytest.raises(EngineUnavailableError, match=r"ended while it was starting: see .*engine\.log"):
            await client.complete(request_of())
    assert num_starts(runtime_folder) == 1
    assert "no torch here" in (runtime_folder / "engine.log").read_text(encoding="utf-8")


async def test_a_command_that_does_not_exist_is_reported(scripted_client: MakeClient) -> None:
    with pytest.raises(EngineUnavailableError, match="cannot be started"):
        await scripted_client(command=["/no/such/python"]).status()


async def test_a_runtime_folder_open_to_others_stops_everything(
    scripted_client: MakeClient, runtime_folder: Path
) -> None:
    runtime_folder.chmod(0o755)
    with pytest.raises(EngineUnavailableError, match="open to other users"):
        await scripted_client().status()
    assert list(runtime_folder.iterdir()) == []


@pytest.mark.parametrize("transport", ["unix", "loopback"])
async def test_the_real_engine_answers_through_the_socket_as_it_does_in_process(
    transport: str, bundle: Path, runtime_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started from a folder with a hostile module of the engine's name, as an editor in a workspace might be."""
    (tmp_path / "lsp_server").mkdir()
    (tmp_path / "lsp_server" / "__init__.py").write_text("raise SystemExit('hostile')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARROTLET_TRANSPORT", transport)
    choice = EngineChoice(model=bundle, device="cpu", threads=1)
    client, local = EngineClient(choice), LocalEngine(choice)
    try:
        with pytest.raises(EngineLoadingError):
            await client.complete(request_of())
        status = await ready(client)
        assert (status.state, status.device, status.model) == (EngineState.READY, "cpu", str(bundle.resolve()))
        await ready(local)
        for sampling in (SamplingParams(temperature=0.0), SamplingParams(temperature=1.0, seed=5, num_candidates=3)):
            request = CompletionRequest(document="d", prompt_ids=(50, 60, 70), sampling=sampling, stop=StopRule.NONE)
            assert (await client.complete(request)).candidates == (await local.complete(request)).candidates
        for prompt_ids in ((), (5,) * 1000, (5, 100_000), (2**70,)):
            with pytest.raises(PromptError):
                await client.complete(CompletionRequest(document="d", prompt_ids=prompt_ids))
        with pytest.raises(BundleError, match="no model folder"):
            await client.reload(tmp_path / "missing")
    finally:
        await client.close()
        await local.close()
        await asyncio.to_thread(stop_in_good_order, runtime_folder)


async def test_an_engine_that_takes_anothers_place_is_told_what_that_one_had_remembered(
    bundle: Path, runtime_folder: Path
) -> None:
    client = EngineClient(EngineChoice(model=bundle, device="cpu", threads=1))
    text = list(range(20, 60))
    request = CompletionRequest(
        document="d",
        prompt_ids=tuple(text[:20]),
        sampling=SamplingParams(temperature=0.0, max_new_tokens=8),
        stop=StopRule.NONE,
        recall=Recall(collection="c"),
    )

    async def until_remembered() -> None:
        while (await client.complete(request)).candidates[0].token_ids != tuple(text[20:28]):
            await asyncio.sleep(0.02)

    try:
        await ready(client)
        await client.remember("c", {"other": text * 4, "longer": list(range(20, 60)) * 4})
        await asyncio.wait_for(until_remembered(), WAIT_SECONDS)
        await asyncio.to_thread(end_started_processes)
        await ready(client)
        await asyncio.wait_for(until_remembered(), WAIT_SECONDS)
    finally:
        await client.close()
        await asyncio.to_thread(end_started_processes)


def stop_in_good_order(runtime_folder: Path) -> None:
    """SIGTERM is enough, and nothing but locks and the log is left."""
    engines = psutil.Process().children()
    for engine in engines:
        engine.terminate()
    _, alive = psutil.wait_procs(engines, WAIT_SECONDS)
    end_started_processes()
    assert not alive
    assert {entry.suffix for entry in runtime_folder.iterdir()} <= {".start", ".life", ".log"}


@pytest.mark.parametrize("idle_minutes", [0.0, -1.0, float("nan")])
def test_an_engine_must_wait_for_somebody(idle_minutes: float) -> None:
    from lsp_server.engine.daemon import run_daemon

    with pytest.raises(SettingsError, match="idle_minutes"):
        run_daemon(idle_minutes=idle_minutes)
