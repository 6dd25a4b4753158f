"""A folder that is worked in for a while belongs to one process; what is written appears whole (`lsp_server.whole`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lsp_server.errors import BusyError
from lsp_server.file_lock import FileLock
from lsp_server.whole import share_folder as share_folder
from lsp_server.whole import whole_file as whole_file
from lsp_server.whole import whole_folder as whole_folder
from lsp_server.whole import write_whole as write_whole


@contextmanager
def claimed(folder: Path, lock: Path) -> Iterator[None]:
    """Until the block ends, or this process dies, nobody else who asks gets `folder`; the empty file `lock` stays.

    Raises: BusyError when somebody has it.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock) as claim:
        if not claim.try_acquire():
            raise BusyError(f"another process works in {folder}: wait for it, or choose another folder")
        yield
