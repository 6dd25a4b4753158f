"""Which files of a repository are late, and so held out: changed since a date, or by its newest commits."""

from __future__ import annotations

from pathlib import Path

from trainer.corpus import git
from trainer.corpus.source import Lookup

MOST_COMMITS = 1000
"""Looked at from the newest: listing their files takes git about a second in a large repository."""
OVERSHOOT = 1.5
"""A commit is held out whole; one that would exceed the share by more is passed over: an import, a reformatting."""


def late_files(repository: Path, commit: str, lookup: Lookup) -> frozenset[str]:
    """Paths that count as late; none where the recipe asks for none."""
    if lookup.since:
        return git.changed_since(repository, commit, lookup.since)
    return _latest(repository, commit, lookup) if lookup.latest_share else frozenset()


def _latest(repository: Path, commit: str, lookup: Lookup) -> frozenset[str]:
    """What the newest commits touched, until it is the wanted share of the repository's bytes."""
    blobs = git.list_blobs(repository, commit)
    sizes = {blob.path: blob.num_bytes for blob in blobs if blob.path.endswith(lookup.extensions)}
    budget = lookup.latest_share * sum(sizes.values())
    late: set[str] = set()
    num_bytes = 0
    for touched in git.newest_commits(repository, commit, MOST_COMMITS):
        new = touched & sizes.keys() - late
        size = sum(sizes[path] for path in new)
        if num_bytes + size <= OVERSHOOT * budget:
            late |= new
            num_bytes += size
        if num_bytes >= budget:
            break
    return frozenset(late)
