"""Finds and loads the compiled kernel, and declares its C interface. Knows no tensors."""

from __future__ import annotations

import ctypes
import importlib.machinery
from ctypes import POINTER, c_char_p, c_int, c_int32, c_size_t, c_void_p
from functools import cache
from pathlib import Path

from lsp_server.errors import EngineError

FOLDER = Path(__file__).parent
STEM = "_kernel"


class Shape(ctypes.Structure):
    """The network's sizes."""

    _fields_ = [(name, c_int32) for name in ("layers", "heads", "width", "context", "vocabulary")]


class Span(ctypes.Structure):
    """New tokens of one sequence; see kernel.cpp."""

    _fields_ = [
        ("own", c_void_p),
        ("shared", c_void_p),
        *((name, c_int32) for name in ("num_shared", "num_own", "num_new", "num_logits")),
    ]


_FUNCTIONS: dict[str, tuple[list[type], type | None]] = {
    "instruction_sets": ([], c_char_p),
    "new_model": ([POINTER(Shape), c_int, c_char_p], c_void_p),
    "free_model": ([c_void_p], None),
    "set_embeddings": ([c_void_p] * 5, c_int),
    "set_layer": ([c_void_p, c_int, POINTER(c_void_p), POINTER(c_void_p)], c_int),
    "new_cache": ([c_void_p, c_int], c_void_p),
    "free_cache": ([c_void_p], None),
    "cache_bytes": ([c_void_p], c_size_t),
    "forward": ([c_void_p, POINTER(Span), c_int, c_void_p, c_void_p], c_int),
    "logits_width": ([c_void_p], c_int),
}


class Library:
    """The kernel's functions. Every call lets go of Python's lock."""

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))
        for name, (arguments, result) in _FUNCTIONS.items():
            function = library[f"parrotlet_{name}"]
            function.argtypes, function.restype = arguments, result
            setattr(self, name, function)

    instruction_sets: ctypes._NamedFuncPointer
    new_model: ctypes._NamedFuncPointer
    free_model: ctypes._NamedFuncPointer
    set_embeddings: ctypes._NamedFuncPointer
    set_layer: ctypes._NamedFuncPointer
    new_cache: ctypes._NamedFuncPointer
    free_cache: ctypes._NamedFuncPointer
    cache_bytes: ctypes._NamedFuncPointer
    forward: ctypes._NamedFuncPointer
    logits_width: ctypes._NamedFuncPointer


@cache
def load_library() -> Library:
    """Raises: EngineError when the kernel was not built, or does not load here."""
    paths = [FOLDER / (STEM + suffix) for suffix in importlib.machinery.EXTENSION_SUFFIXES]
    path = next(filter(Path.exists, paths), None)
    if path is None:
        raise EngineError("the native kernel is not built: install a C++ compiler, then install parrotlet again")
    try:
        return Library(path)
    except (OSError, AttributeError) as error:
        raise EngineError(f"the native kernel does not load ({error}): install parrotlet again") from error


def instruction_sets() -> list[str]:
    """Those that run here, best first. Raises: as `load_library`."""
    names: bytes = load_library().instruction_sets()
    return names.decode().split(",")
