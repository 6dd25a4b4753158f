"""Finding credentials by detect-secrets' detectors. Names a secret's kind and never holds on to the secret itself.

A file with one is dropped whole: a model repeats what it has seen, and masking what was found would leave what was not;
detectors of this kind find about half of the keys there are (SantaCoder, arXiv 2301.03988, section 4.3).
"""

from __future__ import annotations

import string
from collections.abc import Iterator

import numpy as np

from lsp_server.credentials import MARKERS, MIN_CHARACTERS, kinds_in_line

_RUN, _DIGIT, _LETTER = 4, 1, 2
_KINDS = bytes(
    _RUN * (byte in b"+/=_-")
    | (_RUN | _DIGIT) * (byte in string.digits.encode())
    | (_RUN | _LETTER) * (byte in string.ascii_letters.encode())
    for byte in range(256)
)
"""What each byte is in a run: a table, since looking up takes a tenth of asking."""


def find_secrets(text: str) -> list[str]:
    """The kinds of secrets in the first line that holds one; empty where none does."""
    for line in suspicious_lines(text):
        kinds = kinds_in_line(line)
        if kinds:
            return kinds
    return []


def suspicious_lines(text: str) -> Iterator[str]:
    """The lines that a detector could object to: the detectors take 60 times as long as this.

    A line is suspicious when it has MIN_CHARACTERS in a row, a digit and a letter among them, or one of the markers.
    What has no digit is left out on purpose: names and words have that shape, too.
    """
    data = b"\n" + text.encode() + b"\n"
    wanted = {start for marker in MARKERS for start in _places(data, marker.encode())}
    wanted.update(_long_runs(data))
    end = -1
    for start in sorted(wanted):
        if start > end:
            end = data.find(b"\n", start)
            yield data[data.rfind(b"\n", 0, start) + 1 : end].decode()


def _places(data: bytes, marker: bytes) -> Iterator[int]:
    place = data.find(marker)
    while place >= 0:
        yield place
        place = data.find(marker, place + 1)


def _long_runs(data: bytes) -> list[int]:
    """Where the runs begin that are long enough and hold a digit and a letter; `data` begins and ends outside."""
    kinds = np.frombuffer(data.translate(_KINDS), dtype=np.uint8)
    is_run = kinds != 0
    edges = (np.flatnonzero(is_run[1:] != is_run[:-1]) + 1).reshape(-1, 2)
    edges = edges[edges[:, 1] - edges[:, 0] >= MIN_CHARACTERS]
    if not len(edges):
        return []
    held = np.bitwise_or.reduceat(kinds, edges.ravel())[::2]
    return [int(start) for start in edges[held == _RUN | _DIGIT | _LETTER, 0]]
