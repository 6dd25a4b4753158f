"""Which files around a document are the user's own code: of its kind, not ignored by git, the nearest first.

Names and sizes decide, and git. A file that may hold a secret is never read. Knows no tokens and no editor.
"""

from __future__ import annotations

import fnmatch
import itertools
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

MOST_FILES = 2_000
MOST_BYTES = 8_000_000
MOST_FILE_BYTES = 200_000
"""Above it: tables and generated code."""
_MOST_ENTRIES = 20_000
"""Looked at where there is no git: somebody may have opened their home folder."""
_GIT_SECONDS = 10.0
_NOT_OWN = frozenset(
    {"node_modules", "venv", "env", "site-packages", "dist", "build", "target", "vendor", "third_party"}
)
_PRIVATE = re.compile(r"(?:^|[._-])(?:env|envrc|secrets?|credentials?|passwords?|id_[dr]sa|keystore)(?:[._-]|$)", re.I)
_KEY = "PRIVATE KEY-----"


def code_files(document: Path, root: Path | None, excludes: Sequence[str] = ()) -> list[Path]:
    """Files under `root` with the document's suffix, itself left out; without a root, those of its own folder.

    `excludes` are globs of paths below the root.
    """
    suffix = document.suffix
    if not suffix:
        return []
    if root is None:
        found: Iterator[Path] = iter(sorted(document.parent.glob(f"*{suffix}")))
        root = document.parent
    else:
        found = _listed(root, suffix)
    files = [path for path in found if path != document and _is_own(path.relative_to(root), excludes)]
    files.sort(key=lambda path: (_distance(document, path), path))
    return _as_many_as_fit(files)


def read_code(path: Path) -> str | None:
    """The file's text; None for what cannot be read, is no text, or holds a private key."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return None
    return None if "\0" in text or _KEY in text else text


def _listed(root: Path, suffix: str) -> Iterator[Path]:
    """As git tracks them or would, or as they lie there."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard", f"*{suffix}"]
    try:
        listing = subprocess.run(command, capture_output=True, check=True, timeout=_GIT_SECONDS).stdout
    except (OSError, subprocess.SubprocessError):
        return _walked(root, suffix)
    return (root / os.fsdecode(name) for name in sorted(set(listing.split(b"\0"))) if name)


def _walked(root: Path, suffix: str) -> Iterator[Path]:
    num_entries = 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")) and name not in _NOT_OWN)
        num_entries += len(folders) + len(names)
        if num_entries > _MOST_ENTRIES:
            return
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(suffix))


def _is_own(path: Path, excludes: Sequence[str]) -> bool:
    """`path` is relative to the root."""
    is_excluded = any(fnmatch.fnmatch(path.as_posix(), glob) for glob in excludes)
    return not is_excluded and not _NOT_OWN.intersection(path.parts) and not any(map(_PRIVATE.search, path.parts))


def _distance(one: Path, other: Path) -> int:
    """Folders to leave and to enter on the way from one file to the other."""
    pairs = zip(one.parent.parts, other.parent.parts, strict=False)
    num_common = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    return len(one.parts) + len(other.parts) - 2 * num_common


def _as_many_as_fit(files: Sequence[Path]) -> list[Path]:
    kept: list[Path] = []
    num_bytes = 0
    for path in files:
        try:
            size = path.stat().st_size
        except OSError:
            continue
        if size > MOST_FILE_BYTES:
            continue
        num_bytes += size
        if num_bytes > MOST_BYTES or len(kept) == MOST_FILES:
            break
        kept.append(path)
    return kept
