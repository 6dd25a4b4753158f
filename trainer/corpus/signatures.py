"""What tells similar documents: a MinHash signature, and the bands of it that similar documents share. Joins nothing.

The permutations are datasketch's. rensa computes them 3.4 times as fast (12 against 42 ms a megabyte of Python, the
same hashed shingles, one core), but words and shingles take as long for either, the stage stays far above its 4 MB/s,
and datasketch has been kept since 2015, is what CodeParrot and BigCode deduplicate with, and names its scheme of
permutations.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from trainer.corpus.shingles import gram_hashes, word_hashes

BANDS, ROWS = 25, 10
PERMUTATIONS = BANDS * ROWS
"""Two documents of Jaccard similarity s meet in a band with probability 1-(1-s^10)^25: 2 % at 0.5, 51 % at 0.7, 94 % at
0.8. Of BigCode's deduplication for StarCoder2 (arXiv 2402.19173): 5-grams and a threshold of 0.7; of its code:
250 permutations in 25 bands of 10."""
SHINGLE_WORDS = 5
MIN_WORDS = 10
"""Shorter documents are compared by their exact text only: a handful of shingles tells no similarity."""
_SEED = 1
_PORTION = 512
"""Shingles permuted at once: 512 x 250 values of 4 bytes stay in the second-level cache."""

Signature = npt.NDArray[np.uint32]


def signature_of(text: str) -> Signature | None:
    """The signature, [PERMUTATIONS], or None for a text of fewer than MIN_WORDS words."""
    words = word_hashes(text)
    if len(words) < MIN_WORDS:
        return None
    from datasketch import MinHash  # with scipy, which takes a third of a second to load

    shingles = (gram_hashes(words, SHINGLE_WORDS) >> np.uint64(32)).astype(np.uint32)
    sketch = MinHash(num_perm=PERMUTATIONS, scheme="affine32", hashfunc=_hashed_already, permutations=_permutations())
    for start in range(0, len(shingles), _PORTION):
        sketch.update_batch(shingles[start : start + _PORTION])
    values: Signature = sketch.hashvalues
    return values


def bands_of(signature: Signature) -> npt.NDArray[np.uint64]:
    """One hash for each band, [BANDS]: documents whose values agree in all rows of a band share it."""
    banded = signature.reshape(BANDS, ROWS).astype(np.uint64)
    hashes = np.zeros(BANDS, dtype=np.uint64)
    for row in range(ROWS):
        hashes = (hashes ^ banded[:, row]) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(29)
    return hashes


def similarities(first: npt.NDArray[np.uint32], second: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
    """Jaccard similarities as two times [pairs, PERMUTATIONS] estimate them; the standard error is at most 0.032."""
    agreeing: npt.NDArray[np.float64] = np.mean(first == second, axis=1)
    return agreeing


def _hashed_already(value: int) -> int:
    return value


@cache
def _permutations() -> npt.NDArray[np.uint32]:
    from datasketch import MinHash

    permutations: npt.NDArray[np.uint32] = MinHash(num_perm=PERMUTATIONS, seed=_SEED, scheme="affine32").permutations
    return permutations
