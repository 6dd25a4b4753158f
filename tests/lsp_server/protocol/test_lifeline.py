from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from lsp_server.protocol import lifeline


def test_a_process_is_seen_and_its_end_too() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert lifeline.is_alive(process.pid)
    process.communicate(b"\n")
    assert not lifeline.is_alive(process.pid)


async def test_waiting_ends_with_the_process() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    waiting = asyncio.ensure_future(lifeline.wait_for_death(process.pid, 0.01))
    await asyncio.sleep(0)
    assert not waiting.done()
    process.communicate(b"\n")
    await asyncio.wait_for(waiting, 20)


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1])
async def test_a_process_that_was_never_there_is_waited_for_in_vain(pid: int) -> None:
    waiting = asyncio.ensure_future(lifeline.wait_for_death(pid, 0.0))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


@dataclass
class FakeKernel:
    """The three functions of kernel32, and the error."""

    handle: int
    wait_result: int = 0
    error: int = 0
    closed: list[int] = field(default_factory=list)

    def OpenProcess(self, access: int, inherit: bool, pid: int) -> int:  # noqa: N802
        return self.handle

    def WaitForSingleObject(self, handle: int, milliseconds: int) -> int:  # noqa: N802
        assert milliseconds == 0, "it must not block the event loop"
        return self.wait_result

    def CloseHandle(self, handle: int) -> None:  # noqa: N802
        self.closed.append(handle)

    def GetLastError(self) -> int:  # noqa: N802
        return self.error


@pytest.mark.parametrize(
    ("kernel", "alive", "reason"),
    [
        (FakeKernel(handle=7, wait_result=0x102), True, "waiting for it times out"),
        (FakeKernel(handle=7, wait_result=0), False, "it has ended"),
        (FakeKernel(handle=0, error=87), False, "there is no such process"),
        (FakeKernel(handle=0, error=5), True, "it belongs to somebody else"),
    ],
)
def test_windows_is_asked_without_a_signal_which_would_end_the_process(
    monkeypatch: pytest.MonkeyPatch, kernel: FakeKernel, alive: bool, reason: str
) -> None:
    @dataclass
    class FakeLibraries:
        kernel32: FakeKernel

    monkeypatch.setattr(ctypes, "windll", FakeLibraries(kernel), raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(os, "kill", None)
    assert lifeline.is_alive(1234) is alive, reason
    assert kernel.closed == ([7] if kernel.handle else [])
