"""Notices that the editor's process is gone, so that no server outlives a crashed editor."""

from __future__ import annotations

import asyncio
import os
import sys

_SYNCHRONIZE = 0x00100000
_WAIT_TIMEOUT = 0x00000102
_ERROR_ACCESS_DENIED = 5


def is_alive(pid: int) -> bool:
    if sys.platform == "win32":  # there, os.kill with signal 0 would end the process
        return _is_alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_alive_on_windows(pid: int) -> bool:
    import ctypes

    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    handle = kernel.OpenProcess(_SYNCHRONIZE, False, pid)
    if not handle:
        return bool(kernel.GetLastError() == _ERROR_ACCESS_DENIED)
    try:
        return bool(kernel.WaitForSingleObject(handle, 0) == _WAIT_TIMEOUT)
    finally:
        kernel.CloseHandle(handle)


async def wait_for_death(pid: int, poll_seconds: float) -> None:
    """Return once the process is gone; never, if it cannot be seen from here.

    In a container the editor's process id may mean nothing; then only the end of stdin tells.
    """
    if pid <= 0 or not is_alive(pid):
        await asyncio.Event().wait()
    while is_alive(pid):
        await asyncio.sleep(poll_seconds)
