"""Stretches of a document that are followed through edits: what is left of them, and where. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """`removed` characters at `at` gave way to `inserted`, in code points."""

    at: int
    removed: int
    inserted: str

    @property
    def growth(self) -> int:
        return len(self.inserted) - self.removed


def difference(old: str, new: str) -> Edit:
    """The one edit that makes `new` of `old`, as short as can be: what an editor that sends whole documents did."""
    most = min(len(old), len(new))
    start = _largest(most, lambda count: old[:count] == new[:count])
    end = _largest(most - start, lambda count: old[len(old) - count :] == new[len(new) - count :])
    return Edit(at=start, removed=len(old) - start - end, inserted=new[start : len(new) - end])


def _largest(most: int, holds: Callable[[int], bool]) -> int:
    """The largest count up to `most` for which `holds`, which holds of all smaller ones; asks log2 times."""
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if holds(middle) else (least, middle - 1)
    return least


class Spans:
    """The surviving parts of some text, as offsets from and to."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, int]] = []

    def add(self, start: int, end: int) -> None:
        """Text that has just been inserted there."""
        self._parts.append((start, end))

    @property
    def num_characters(self) -> int:
        return sum(end - start for start, end in self._parts)

    def follow(self, edit: Edit) -> None:
        """Drop what the edit removed, and move what stands behind it."""
        parts = []
        gone = edit.at + edit.removed
        for start, end in self._parts:
            before = (start, min(end, edit.at))
            behind = (max(start, gone) + edit.growth, end + edit.growth)
            parts += [part for part in (before, behind) if part[0] < part[1]]
        self._parts = parts
