"""The one thread that touches the model: its queue, supersession, cancellation, counters. Knows no torch, no sockets.

Requests of different documents run side by side: each pass reads the next tokens of all of them, so none waits for the
end of another. A job's future is its cancellation flag: it stays pending until the job ends, so anybody may cancel it
at any time, and the thread looks at it after every pass.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from lsp_server.engine.api import CompletionRequest, CompletionResult, EngineState, EngineStatus, OnTokens
from lsp_server.engine.job import Job, LoadModel, Model, reject, resolve
from lsp_server.engine.replacement import Replacement, read_model
from lsp_server.errors import DeviceFailedError, EngineError, EngineLoadingError, EngineUnavailableError, ParrotletError

logger = logging.getLogger(__name__)

MAX_RUNNING = 8
"""Requests read in one pass; more only wait for each other on a CPU."""


class Worker:
    """Runs completions side by side, admitted in order of arrival, and prefills while there is nothing else to do."""

    def __init__(self, load_model: LoadModel, bundle: Path | None = None, device: str = "") -> None:
        self._load_model, self._bundle, self._device = load_model, bundle, device
        self._changed = threading.Condition()  # guards everything below
        self._completions: OrderedDict[str, Job] = OrderedDict()
        self._prefills: OrderedDict[str, Job] = OrderedDict()
        self._replacements: deque[Replacement] = deque()
        self._forgotten: deque[str] = deque()
        self._running: OrderedDict[str, Job] = OrderedDict()
        self._prefilling: Job | None = None
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._model: Model | None = None
        self._state = EngineState.LOADING
        self._message = ""
        self._num_requests = self._num_steps = self._prompt_tokens = self._reused_tokens = 0

    # Called from any thread

    def start(self) -> None:
        """Begin to load the model; once only, later calls do nothing."""
        with self._changed:
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="parrotlet-worker", daemon=True)
                self._thread.start()

    def stop(self, timeout_s: float | None = None) -> bool:
        """End the thread after its current step; returns whether it has ended."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return not self.is_alive

    @property
    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def complete(self, request: CompletionRequest, on_tokens: OnTokens | None = None) -> Future[CompletionResult]:
        """Queue a request in place of an older one of the same document, which is cancelled, queued or running.

        Raises: EngineLoadingError, EngineUnavailableError after `stop`, EngineError when the model failed to load.
        """
        received_at = time.monotonic()
        job = Job(request.document, lambda model: model.complete(request, received_at, on_tokens))
        with self._changed:
            self._check_ready()
            self._num_requests += 1
            outdated = [self._completions.get(job.document), self._running.get(job.document)]
            idle_prefill = self._prefills.pop(job.document, None)
            self._completions[job.document] = job
            self._changed.notify_all()
        for old in outdated:
            if old is not None:
                old.future.cancel()
        if idle_prefill is not None:
            resolve(idle_prefill.future, None)
        job.future.add_done_callback(lambda _: self._discard(self._completions, job))
        return job.future

    def prefill(self, document: str, prompt_ids: tuple[int, ...]) -> Future[None]:
        """Queue a prefill; a newer request or prefill of the same document takes its place, which is no error.

        Raises: as `complete`.
        """
        job = Job(document, lambda model: model.prefill(document, prompt_ids))
        with self._changed:
            self._check_ready()
            older = self._prefills.get(document)
            self._prefills[document] = job
            self._changed.notify_all()
        if older is not None:
            resolve(older.future, None)
        job.future.add_done_callback(lambda _: self._discard(self._prefills, job))
        return job.future

    def reload(self, bundle: Path | None) -> Future[None]:
        """Replace the model between two requests; None reads the current bundle again. On failure the old one stays.

        The new one is read beside the old, which goes on answering meanwhile.
        """
        replacement = Replacement(bundle)
        with self._changed:
            self._check_not_stopped()
            self._replacements.append(replacement)
            self._changed.notify_all()
        return replacement.future

    def forget(self, document: str) -> None:
        """Drop a document's cache slot, when its editor has left."""
        with self._changed:
            self._forgotten.append(document)
            self._changed.notify_all()

    def status(self) -> EngineStatus:
        with self._changed:
            model = self._model
            return EngineStatus(
                state=self._state,
                model=model.name if model else str(self._bundle or ""),
                device=model.device if model else self._device,
                backend=model.backend_name if model else "",
                message=self._message or (model.message if model else ""),
                pid=os.getpid(),
                num_requests=self._num_requests,
                num_steps=self._num_steps,
                prompt_tokens=self._prompt_tokens,
                reused_tokens=self._reused_tokens,
            )

    @property
    def num_queued(self) -> int:
        with self._changed:
            return len(self._completions) + len(self._prefills) + len(self._replacements)

    def _check_ready(self) -> None:
        self._check_not_stopped()
        if self._state is EngineState.LOADING:
            raise EngineLoadingError("the model is still loading: ask again in a moment")
        if self._state is EngineState.FAILED:
            raise EngineError(f"the model could not be loaded: {self._message}")

    def _check_not_stopped(self) -> None:
        if self._stopping:
            raise EngineUnavailableError("the engine is shutting down: ask again to start a new one")

    def _discard(self, queue: OrderedDict[str, Job], job: Job) -> None:
        with self._changed:
            if queue.get(job.document) is job:
                del queue[job.document]

    # Called in the worker's thread

    def _run(self) -> None:
        self._take(read_model(self._load_model, self._bundle), self._bundle)
        while (task := self._next_task()) is not None:
            try:
                task()
            except Exception as error:  # a defect here must not leave everybody waiting for a thread that is gone
                for job in self._under_way():
                    self._fail(job, error)
        for job in self._under_way():
            self._end(job, error=EngineUnavailableError("the engine is shutting down: ask again"))
        self._reject_all()

    def _next_task(self) -> Callable[[], None] | None:
        """What to do next, waiting for it if need be; None when the worker is to stop."""
        with self._changed:
            while not self._stopping:
                self._drop_outdated()
                if self._forgotten:
                    document = self._forgotten.popleft()
                    return lambda: self._model.forget(document) if self._model else None
                new = self._replacements[0] if self._replacements else None
                if new is not None and not new.is_begun:
                    self._read_beside(new)
                if new is None or new.found is None:
                    self._admit()
                elif not self._running:  # a request is answered by the model it began with
                    self._let_go_of_prefill()
                    self._replacements.popleft()
                    return partial(self._swap, new)
                if self._running or self._prefilling is not None:
                    return self._advance
                self._changed.wait()
            return None

    def _drop_outdated(self) -> None:
        """Close what nobody waits for any more, and a prefill whose document has a newer one or a request."""
        for job in self._under_way():
            if job.future.done():
                self._end(job)
        prefill = self._prefilling
        if prefill is not None and (prefill.document in self._completions or prefill.document in self._prefills):
            self._end(prefill, result=None)

    def _admit(self) -> None:
        while self._completions and len(self._running) < MAX_RUNNING:
            document, job = self._completions.popitem(last=False)
            self._running[document] = job
        if not self._running and self._prefilling is None and self._prefills:
            _, self._prefilling = self._prefills.popitem(last=False)

    def _let_go_of_prefill(self) -> None:
        """Let a prefill begin again with the next model."""
        job = self._prefilling
        if job is not None:
            self._close(job)
            job.steps = None
            self._prefills[job.document] = job
            self._prefills.move_to_end(job.document, last=False)

    def _under_way(self) -> list[Job]:
        prefill = [] if self._prefilling is None else [self._prefilling]
        return [*self._running.values(), *prefill]

    def _read_beside(self, replacement: Replacement) -> None:
        def keep(found: Model | Exception) -> None:
            with self._changed:
                replacement.found = found
                self._changed.notify_all()

        replacement.read(self._load_model, self._folder_of(replacement), keep)

    def _swap(self, replacement: Replacement) -> None:
        """The old model goes, and all its caches with it; where the new one could not be read, it stays."""
        assert replacement.found is not None
        self._take(replacement.found, self._folder_of(replacement))
        if isinstance(replacement.found, Exception):
            reject(replacement.future, _shown(replacement.found))
        else:
            resolve(replacement.future, None)

    def _folder_of(self, replacement: Replacement) -> Path | None:
        return self._bundle if replacement.bundle is None else replacement.bundle

    def _take(self, found: Model | Exception, bundle: Path | None) -> None:
        with self._changed:
            if not isinstance(found, Exception):
                self._model, self._bundle = found, bundle
                self._state, self._message = EngineState.READY, ""
            elif self._model is None:
                self._state, self._message = EngineState.FAILED, _one_line(found)

    def _advance(self) -> None:
        """One pass for all running jobs; a prefill stands still while there are completions."""
        assert self._model is not None
        jobs = list(self._running.values()) or self._under_way()
        jobs = [job for job in jobs if job.steps is not None or self._begin(job, self._model)]
        jobs = [job for job in jobs if not job.future.done()]  # one that begins may end the others, see `_fail`
        spans = [span for job in jobs for span in job.spans]
        if not spans:
            return
        try:
            logits = self._model.forward(spans)
        except Exception as error:  # a device's failure, out of memory included, must not end the thread
            for job in jobs:
                self._fail(job, error)
            return
        self._num_steps += 1
        for job in jobs:
            own, logits = logits[: len(job.spans)], logits[len(job.spans) :]
            self._step(job, own)

    def _begin(self, job: Job, model: Model) -> bool:
        """Start a job; False where it ended at once."""
        job.steps = job.start(model)
        return self._step(job, None)

    def _step(self, job: Job, logits: list[Any] | None) -> bool:  # Any: as in Steps
        """Send a job its logits; False where that was the end of it."""
        assert job.steps is not None
        if job.future.done() or self._stopping:
            return False  # closed before the next pass
        try:
            job.spans = job.steps.send(logits)  # type: ignore[arg-type]  # None only starts it
        except StopIteration as stop:
            self._count(stop.value)
            self._end(job, result=stop.value)
        except Exception as error:  # one request's failure must not end the others, nor the thread
            self._fail(job, error)
        else:
            return True
        return False

    def _fail(self, job: Job, error: Exception) -> None:
        """End a job, and all that are under way where the device is gone that holds their caches."""
        if isinstance(error, DeviceFailedError):
            for other in self._under_way():
                if other.steps is not None:
                    self._end(other, error=error)
        elif not isinstance(error, ParrotletError):
            logger.error("a request failed", exc_info=error)
        self._end(job, error=_shown(error))
        if self._model is not None:
            self._model.forget(job.document)

    def _end(self, job: Job, result: object = None, error: Exception | None = None) -> None:
        """Take a job off, and answer it if nobody has."""
        self._close(job)
        if error is None:
            resolve(job.future, result)
        else:
            reject(job.future, error)

    def _close(self, job: Job) -> None:
        with self._changed:
            if job is self._prefilling:
                self._prefilling = None
            elif self._running.get(job.document) is job:
                del self._running[job.document]
        if job.steps is not None:
            with contextlib.suppress(Exception):
                job.steps.close()

    def _count(self, result: CompletionResult | None) -> None:
        if result is not None:
            self._prompt_tokens += result.timings.prompt_tokens
            self._reused_tokens += result.timings.reused_tokens

    def _reject_all(self) -> None:
        with self._changed:
            jobs = [*self._completions.values(), *self._prefills.values()]
            futures = [job.future for job in jobs] + [each.future for each in self._replacements]
            self._completions.clear()
            self._prefills.clear()
            self._replacements.clear()
        for future in futures:
            reject(future, EngineUnavailableError("the engine is shutting down: ask again to start a new one"))


def _shown(error: Exception) -> ParrotletError:
    """Every error as one that a user can be shown."""
    if isinstance(error, ParrotletError):
        return error
    return EngineError(f"the engine failed on this request: {_one_line(error)}")


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, ParrotletError) else f"{type(error).__name__}: {text}"
