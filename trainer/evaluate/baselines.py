"""What the model has to beat: a compressor, and copying what followed the longest match. No model, no torch."""

from __future__ import annotations

import lzma
from collections.abc import Iterable

_XZ_FILTERS = ({"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME},)


def xz_bits_per_byte(texts: Iterable[str]) -> float:
    """Each file by itself at xz's strongest, without the container's header."""
    num_bits = num_bytes = 0
    for text in texts:
        content = text.encode()
        num_bits += 8 * len(lzma.compress(content, format=lzma.FORMAT_RAW, filters=_XZ_FILTERS))
        num_bytes += len(content)
    return num_bits / num_bytes


def copy_line(before: str, after: str) -> str:
    """The rest of the line that followed the longest match of the text before the cursor, in this file.

    Both the text above and the text below count as places to copy from; of equal matches above, the last one wins.
    """
    above = _longest_match(before, before[:-1])
    below = _longest_match(before, after)
    length, source, end = above if above[0] >= below[0] else below
    return source[end:].split("\n", 1)[0] if length else ""


def _longest_match(before: str, source: str) -> tuple[int, str, int]:
    """Length of the longest suffix of `before` that occurs in `source`, that source, and where the last match ends."""
    shortest, longest = 0, min(len(before), len(source))
    while shortest < longest:  # a suffix of a match matches too, so lengths can be halved
        middle = (shortest + longest + 1) // 2
        if before[-middle:] in source:
            shortest = middle
        else:
            longest = middle - 1
    at = source.rfind(before[len(before) - shortest :]) if shortest else 0
    return shortest, source, at + shortest
