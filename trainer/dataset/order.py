"""In which order an epoch visits its rows, without writing the order down."""

from __future__ import annotations

import numpy as np


def permuted(index: int, count: int, random: np.random.Generator) -> int:
    """Where `index` lands in a random order of `range(count)`.

    A Feistel network over the next even power of two, walked until it falls inside the range.
    Source: Black and Rogaway 2002, "Ciphers with arbitrary finite domains".
    """
    half_bits = max(1, ((count - 1).bit_length() + 1) // 2)
    mask = (1 << half_bits) - 1
    keys = [int(key) for key in random.integers(1, 2**31, size=4)]
    while True:
        left, right = index >> half_bits, index & mask
        for key in keys:
            left, right = right, left ^ (((right + key) * 0x9E3779B1 >> 7 ^ key) & mask)
        index = left << half_bits | right
        if index < count:
            return index
