"""The end of a command whose output nobody reads any more: `parrotlet stats | head`, an editor's closed window."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_UNHEARD = 141
"""What a shell shows for a program that SIGPIPE ended."""


@contextmanager
def silent_end() -> Iterator[None]:
    """Turn BrokenPipeError into an exit without a word, which nobody would read.

    Raises: SystemExit.
    """
    try:
        try:
            yield
        finally:
            if not sys.stdout.closed:
                sys.stdout.flush()
    except BrokenPipeError:
        sink = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):  # what is left in their buffers goes when the interpreter ends
            os.dup2(sink, stream.fileno())
        raise SystemExit(EXIT_UNHEARD) from None
