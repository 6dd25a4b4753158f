"""One piece of work of the worker, and the model that it is done with. Knows no threads, no order and no torch."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lsp_server.engine.api import CompletionRequest, CompletionResult, OnTokens

Steps = Generator[list[Any], list[Any], Any]  # Any: spans in, logits out, a completion's result or None in the end
"""Work that yields the spans it wants read in the next pass, and is sent their logits."""


class Model(Protocol):
    """What the worker drives."""

    name: str

    @property
    def device(self) -> str: ...

    @property
    def backend_name(self) -> str: ...

    @property
    def message(self) -> str:
        """What a user should know of it; mostly nothing."""
        ...

    def complete(
        self, request: CompletionRequest, received_at: float, on_tokens: OnTokens | None = None
    ) -> Generator[list[Any], list[Any], CompletionResult]: ...

    def prefill(self, document: str, prompt_ids: tuple[int, ...]) -> Generator[list[Any], list[Any], None]: ...

    def forward(self, spans: list[Any]) -> list[Any]: ...

    def forget(self, document: str) -> None: ...


LoadModel = Callable[[Path | None], Model]
"""Reads a bundle; called in the worker's thread, so that it may import torch and take its time."""


@dataclass(slots=True, eq=False)
class Job:
    """Work for one document, and where its answer goes."""

    document: str
    start: Callable[[Model], Steps]
    future: Future[Any] = field(default_factory=Future)  # Any: as in Steps
    steps: Steps | None = None
    """None until it runs."""
    spans: list[Any] = field(default_factory=list)
    """What it wants read next."""


def resolve(future: Future[Any], value: object) -> None:
    """Unless somebody has cancelled it."""
    if not future.done() and future.set_running_or_notify_cancel():
        future.set_result(value)


def reject(future: Future[Any], error: Exception) -> None:
    """Unless somebody has cancelled it."""
    if not future.done() and future.set_running_or_notify_cancel():
        future.set_exception(error)
