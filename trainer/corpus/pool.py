"""Doing many tasks in several processes, in any order, with few of them waiting. Knows no task.

Workers are started anew, never forked: the parent may have threads. They leave when their parent is gone, however it
went.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import TypeVar

from lsp_server.errors import CorpusError

Task = TypeVar("Task")
Result = TypeVar("Result")

_WAITING_PER_WORKER = 4


def default_workers() -> int:
    """One for each core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(do: Callable[[Task], Result], tasks: Iterable[Task], workers: int) -> Iterator[Result]:
    """Results as they come; with one worker in this very process. `do` and the tasks must survive pickling.

    Raises: what a task raises, and CorpusError when a worker was killed.
    """
    if workers <= 1:
        yield from map(do, tasks)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_with_parent)
    try:
        yield from _drain(pool, do, tasks, workers * _WAITING_PER_WORKER)
    except BrokenProcessPool as error:
        raise CorpusError(
            "a worker process was killed, perhaps for lack of memory: run it again with fewer --workers; "
            "what is finished is kept"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _drain(
    pool: ProcessPoolExecutor, do: Callable[[Task], Result], tasks: Iterable[Task], most: int
) -> Iterator[Result]:
    waiting: set[Future[Result]] = set()
    for task in tasks:
        waiting.add(pool.submit(do, task))
        if len(waiting) >= most:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        yield from (future.result() for future in done)


def _leave_with_parent() -> None:
    """A parent that was killed closes no queue; without this its workers would wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
