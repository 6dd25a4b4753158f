"""The daemon in this process, over both transports, with a model whose steps the test allows."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stepping_model import WAIT_SECONDS, Loader, SteppingModel, request_of

import lsp_server
from lsp_server.engine import messages
from lsp_server.engine.address import PROTOCOL_VERSION
from lsp_server.engine.api import EngineState, SamplingParams
from lsp_server.engine.connection import Connection, UnreachableError
from lsp_server.engine.daemon import Daemon
from lsp_server.engine.endpoint import Endpoint, LoopbackEndpoint, UnixEndpoint
from lsp_server.engine.local import LocalEngine
from lsp_server.engine.wire import encode_frame, read_frame
from lsp_server.errors import EngineUnavailableError, PromptError, SettingsError

HELLO = {"op": "hello", "protocol": PROTOCOL_VERSION, "version": lsp_server.__version__, "token": ""}


@dataclass
class Running:
    """A daemon that serves."""

    daemon: Daemon
    engine: LocalEngine
    model: SteppingModel
    endpoint: Endpoint
    task: asyncio.Task[None]

    async def until(self, condition: Callable[[], bool]) -> None:
        async def poll() -> None:
            while not condition():
                await asyncio.sleep(0.005)

        await asyncio.wait_for(poll(), WAIT_SECONDS)


async def start(endpoint: Endpoint, *models: SteppingModel, idle_seconds: float = 3600.0) -> Running:
    models = models or (SteppingModel(),)
    engine = LocalEngine(load_model=Loader(*models))
    daemon = Daemon(engine, endpoint, idle_seconds)
    ready = asyncio.Event()
    task = asyncio.create_task(daemon.run(ready.set))
    await asyncio.wait_for(ready.wait(), WAIT_SECONDS)
    while (await engine.status()).state is EngineState.LOADING:
        await asyncio.sleep(0.005)
    return Running(daemon, engine, models[0], endpoint, task)


@pytest.fixture(params=["unix", "loopback"])
async def running(request: pytest.FixtureRequest, runtime_folder: Path) -> AsyncIterator[Running]:
    unix, loopback = UnixEndpoint(runtime_folder / "e.sock"), LoopbackEndpoint(runtime_folder / "e.port")
    started = await start(unix if request.param == "unix" else loopback)
    yield started
    started.model.free()
    started.daemon.stop()
    await asyncio.wait_for(started.task, WAIT_SECONDS)


async def connect(running: Running) -> Connection:
    return await Connection.open(running.endpoint)


def completion(document: str = "d", num_steps: int = 3) -> dict[str, Any]:
    return {"op": "complete", "request": messages.request_to_json(request_of(document, num_steps))}


async def test_a_request_is_answered_and_its_tokens_are_streamed(running: Running) -> None:
    running.model.free()
    connection = await connect(running)
    pieces: list[tuple[int, str]] = []
    answer = await connection.ask(completion(num_steps=2), lambda *piece: pieces.append(piece))
    assert messages.result_from_json(answer["result"]).candidates[0].text == "stepping"
    assert pieces == [(0, "0 "), (0, "1 ")]
    assert (await connection.ask({"op": "prefill", "document": "d", "prompt_ids": [1, 2]}))["op"] == "done"
    status = messages.status_from_json((await connection.ask({"op": "status"}))["status"])
    assert (status.state, status.num_requests, status.num_steps) == (EngineState.READY, 1, 4)
    await connection.close()


async def test_cancelling_the_waiting_task_stops_the_model(running: Running) -> None:
    connection = await connect(running)
    task = asyncio.create_task(connection.ask(completion(num_steps=1000)))
    await asyncio.to_thread(running.model.wait_until_in_step)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await connection.ask({"op": "status"})  # messages are read in order: the cancellation has arrived
    running.model.free()
    await connection.ask(completion("other", 1))
    assert running.model.num_steps("1:d") <= 1
    await connection.close()


async def test_a_superseded_request_is_cancelled_for_its_client(running: Running) -> None:
    connection = await connect(running)
    older = asyncio.create_task(connection.ask(completion("d", 1000)))
    await asyncio.to_thread(running.model.wait_until_in_step)
    newer = asyncio.create_task(connection.ask(completion("d", 1)))
    with pytest.raises(asyncio.CancelledError):
        await older
    running.model.free()
    assert (await newer)["op"] == "result"
    await connection.close()


async def test_the_same_file_in_two_windows_is_two_documents(running: Running) -> None:
    first, second = await connect(running), await connect(running)
    asked = [asyncio.create_task(each.ask(completion("d", 2))) for each in (first, second)]
    running.model.free()
    for task in asked:
        assert (await task)["op"] == "result"
    await first.close()
    await running.until(lambda: running.daemon.num_sessions == 1)
    await second.ask(completion("e", 1))
    assert "forget 1:d" in running.model.log
    assert "forget 2:d" not in running.model.log
    await second.close()


async def test_a_client_that_leaves_takes_its_requests_with_it(running: Running) -> None:
    leaving, staying = await connect(running), await connect(running)
    lost = [asyncio.create_task(leaving.ask(completion(f"d{number}", 1000))) for number in range(50)]
    await asyncio.to_thread(running.model.wait_until_in_step)
    await leaving.close()
    await running.until(lambda: running.daemon.num_sessions == 1)
    running.model.free()
    assert (await staying.ask(completion("d", 1)))["op"] == "result"
    assert running.model.log.count("pass") == 2, "the one that was under way, and one for who stays"
    assert running.engine.num_queued == 0
    for task in lost:
        with pytest.raises(EngineUnavailableError):
            await task
    await staying.close()


async def test_thousands_of_cancelled_requests_leave_nothing_behind(running: Running) -> None:
    connection = await connect(running)
    busy = asyncio.create_task(connection.ask(completion("busy", 1)))
    await asyncio.to_thread(running.model.wait_until_in_step)
    for number in range(2000):
        task = asyncio.create_task(connection.ask(completion(f"d{number}", 9)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await connection.ask({"op": "status"})
    await running.until(lambda: running.engine.num_queued == 0)
    running.model.free()
    assert (await busy)["op"] == "result"
    assert (await connection.ask(completion("last", 1)))["op"] == "result"
    assert sum(line.startswith("step 1:d") for line in running.model.log) == 0
    await connection.close()


async def test_errors_arrive_as_what_they_are(running: Running) -> None:
    running.model.free()
    connection = await connect(running)
    running.model.failures["1:d"] = PromptError("the prompt is empty: send at least one token")
    with pytest.raises(PromptError, match="the prompt is empty"):
        await connection.ask(completion())
    message = completion()
    message["request"]["sampling"]["temperature"] = 99
    with pytest.raises(SettingsError, match="temperature is 99"):
        await connection.ask(message)
    assert (await connection.ask(completion()))["op"] == "result"
    await connection.close()


BAD = {
    "no frame": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no json": b"\x00\x00\x00\x03{x}",
    "half a frame": b"\x00\x00\x10\x00{",
    "no operation": encode_frame({"id": 1}),
    "an unknown operation": encode_frame({"op": "shutdown", "id": 1}),
    "no number": encode_frame({"op": "status"}),
    "a malformed request": encode_frame({"op": "complete", "id": 1, "request": {"document": 3}}),
    "ids that are no integers": encode_frame({"op": "prefill", "id": 1, "document": "d", "prompt_ids": ["x"]}),
}


@pytest.mark.parametrize("greets", [True, False], ids=["after the handshake", "instead of the handshake"])
@pytest.mark.parametrize("sent", BAD.values(), ids=BAD.keys())
async def test_a_stray_client_is_sent_away_and_others_are_served(
    running: Running, sent: bytes, greets: bool, caplog: pytest.LogCaptureFixture
) -> None:
    good = await connect(running)
    reader, writer = await running.endpoint.connect()
    if greets:
        writer.write(encode_frame({**HELLO, "token": running.endpoint.token}))
        assert (await read_frame(reader) or {})["op"] == "hello"
    writer.write(sent)
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), WAIT_SECONDS) == b""
    writer.close()
    await running.until(lambda: running.daemon.num_sessions == 1)
    assert any("connection 2 closed" in record.getMessage() for record in caplog.records)
    running.model.free()
    assert (await good.ask(completion()))["op"] == "result"
    await good.close()


async def test_a_client_of_another_version_is_told_so(running: Running) -> None:
    for change in ({"protocol": 99}, {"version": "0.0.0"}):
        reader, writer = await running.endpoint.connect()
        writer.write(encode_frame({**HELLO, "token": running.endpoint.token, **change}))
        answer = await read_frame(reader)
        assert answer is not None
        assert "restart the editor" in answer["error"]["message"]
        assert await reader.read() == b""
        writer.close()


async def test_without_the_token_nobody_is_served(runtime_folder: Path) -> None:
    running = await start(LoopbackEndpoint(runtime_folder / "e.port"))
    reader, writer = await running.endpoint.connect()
    writer.write(encode_frame({**HELLO, "token": "guess"}))
    assert await reader.read() == b""
    writer.close()
    running.daemon.stop()
    await asyncio.wait_for(running.task, WAIT_SECONDS)


async def test_a_taken_request_number_ends_the_connection(running: Running) -> None:
    reader, writer = await running.endpoint.connect()
    writer.write(encode_frame({**HELLO, "token": running.endpoint.token}))
    await read_frame(reader)
    for _ in range(2):
        writer.write(encode_frame({**completion(), "id": 7}))
    assert await asyncio.wait_for(reader.read(), WAIT_SECONDS) == b""
    writer.close()


async def test_it_leaves_when_nobody_asks_anything(runtime_folder: Path) -> None:
    path = runtime_folder / "e.sock"
    running = await start(UnixEndpoint(path), SteppingModel(free=True), idle_seconds=0.2)
    connection = await connect(running)
    assert (await connection.ask(completion()))["op"] == "result"
    await asyncio.wait_for(running.task, WAIT_SECONDS)
    assert not path.exists()
    assert not running.engine.is_running
    with pytest.raises(EngineUnavailableError):
        await connection.ask(completion())
    with pytest.raises(UnreachableError):
        await connect(running)
    await connection.close()


async def test_it_does_not_leave_in_the_middle_of_a_request(runtime_folder: Path) -> None:
    running = await start(UnixEndpoint(runtime_folder / "e.sock"), idle_seconds=0.05)
    connection = await connect(running)
    task = asyncio.create_task(connection.ask(completion(num_steps=3)))
    await asyncio.to_thread(running.model.wait_until_in_step)
    await asyncio.sleep(0.2)  # four times its patience
    assert not running.task.done()
    running.model.free()
    assert (await task)["op"] == "result"
    await asyncio.wait_for(running.task, WAIT_SECONDS)
    await connection.close()


async def test_stopping_ends_running_requests_and_withdraws_the_socket(runtime_folder: Path) -> None:
    path = runtime_folder / "e.sock"
    running = await start(UnixEndpoint(path))
    connection = await connect(running)
    task = asyncio.create_task(connection.ask(completion(num_steps=1000)))
    await asyncio.to_thread(running.model.wait_until_in_step)
    running.daemon.stop()
    with pytest.raises((EngineUnavailableError, asyncio.CancelledError)):
        await task
    running.model.free()
    await asyncio.wait_for(running.task, WAIT_SECONDS)
    assert running.model.num_steps("1:d") <= 1
    assert not path.exists()
    await connection.close()


async def test_a_reload_while_requests_run(runtime_folder: Path) -> None:
    new = SteppingModel("new", free=True)
    running = await start(UnixEndpoint(runtime_folder / "e.sock"), SteppingModel("old"), new)
    connection = await connect(running)
    before = asyncio.create_task(connection.ask(completion("a", 2)))
    await asyncio.to_thread(running.model.wait_until_in_step)
    reload = asyncio.create_task(connection.ask({"op": "reload", "bundle": "/other"}))
    await connection.ask({"op": "status"})
    running.model.free()
    assert (await reload)["op"] == "done"
    answers = [await before, await connection.ask(completion("b", 2))]
    assert [messages.result_from_json(each["result"]).candidates[0].text for each in answers] == ["old", "new"]
    running.daemon.stop()
    await asyncio.wait_for(running.task, WAIT_SECONDS)
    await connection.close()


async def test_a_request_too_long_to_send_is_a_prompt_error(running: Running) -> None:
    connection = await connect(running)
    request = dataclasses.replace(request_of(), line_prefix="x" * 5_000_000, sampling=SamplingParams())
    with pytest.raises(PromptError, match="too long to send"):
        await connection.ask({"op": "complete", "request": messages.request_to_json(request)})
    assert (await connection.ask({"op": "status"}))["op"] == "status"
    await connection.close()
