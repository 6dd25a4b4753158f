"""Git repositories as sources: the files of one commit, local or fetched."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePosixPath

from trainer.corpus import clone, git, licences
from trainer.corpus.folders import LICENCE_FILES, MAX_LICENCE_BYTES, licence_of_texts
from trainer.corpus.lateness import late_files
from trainer.corpus.source import Lookup, Source, SourceFile

_URL = re.compile(r"(https?|ssh|file)://|[\w.-]+@[\w.-]+:")


def is_url(spec: str) -> bool:
    """Whether a source names a repository elsewhere: a URL, or ssh's `user@host:path`."""
    return _URL.match(spec) is not None


def from_url(spec: str, lookup: Lookup) -> Source:
    """`URL`, or `URL#COMMIT` (a full id, a branch or a tag): fetched once, and from then on read there."""
    url, _, revision = spec.partition("#")
    folder = (
        lookup.cache or Path(".corpus.cache")
    ) / f"{PurePosixPath(url).stem or 'repository'}-{hashlib.sha256(spec.encode()).hexdigest()[:12]}"
    content = clone.fetch_content(url, revision, folder / "content.git")
    late = frozenset[str]()
    if lookup.since or lookup.latest_share:
        history = clone.fetch_history(url, revision, folder / "history.git")
        late = late_files(history, git.head(history), lookup)
    return _source(content, git.head(content), late)


def from_folder(root: Path, lookup: Lookup) -> Source:
    """A repository on this machine, at the commit that HEAD names."""
    commit = git.head(root)
    return _source(root, commit, late_files(root, commit, lookup) if commit else frozenset())


def _source(root: Path, commit: str, late: frozenset[str]) -> Source:
    origin = git.origin(root)

    def list_files() -> list[SourceFile]:
        return [
            SourceFile(
                path=blob.path,
                num_bytes=blob.num_bytes,
                location=blob.object_id,
                version=blob.object_id,
                is_late=blob.path in late,
            )
            for blob in (git.list_blobs(root, commit) if commit else [])
        ]

    return Source(
        name=origin.rpartition("/")[2] or root.name.removesuffix(".git"),
        kind="git",
        root=str(root),
        licence=_licence(root, commit) if commit else licences.UNKNOWN,
        version=commit,
        list_files=list_files,
        repository=origin,
        note="" if commit else f"{root} is a git repository without a commit: commit the files to train on",
    )


def _licence(root: Path, commit: str) -> str:
    blobs = [
        SourceFile(path=blob.path, num_bytes=blob.num_bytes, location=blob.object_id)
        for blob in git.list_blobs(root, commit, recursive=False)
        if any(PurePosixPath(blob.path).match(pattern) for pattern in LICENCE_FILES)
        and blob.num_bytes < MAX_LICENCE_BYTES
    ]
    with git.BlobReader(root) as read:
        return licence_of_texts(read(blob) for blob in blobs)
