"""A model that is to take the place of the resident one, read in a thread of its own. Touches no other model."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from lsp_server.engine.job import LoadModel, Model
from lsp_server.errors import ParrotletError

logger = logging.getLogger(__name__)


class Replacement:
    """Owned by the worker, which looks at `found` under its own lock once `on_read` has been called."""

    def __init__(self, bundle: Path | None) -> None:
        """`bundle`: None reads the resident model's folder again."""
        self.bundle = bundle
        self.future: Future[None] = Future()
        """Done when the model has taken its place, or could not."""
        self.found: Model | Exception | None = None
        self.is_begun = False

    def read(self, load_model: LoadModel, bundle: Path | None, on_read: Callable[[Model | Exception], None]) -> None:
        """Begin to read."""
        self.is_begun = True
        reader = threading.Thread(
            target=lambda: on_read(read_model(load_model, bundle)), name="parrotlet-reader", daemon=True
        )
        reader.start()


def read_model(load_model: LoadModel, bundle: Path | None) -> Model | Exception:
    """A model, or what went wrong."""
    try:
        return load_model(bundle)
    except Exception as error:  # a missing library and a full memory are reported like a damaged bundle
        if not isinstance(error, ParrotletError):
            logger.exception("the model could not be loaded")
        return error
