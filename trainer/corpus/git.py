"""Asking git, and only git, what a repository holds. Reads; never writes, runs hooks or reaches the network.

A repository that is read here may be anyone's: settings that make git start programs are switched off.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from lsp_server.errors import CorpusError

_SAFE = tuple(
    word
    for setting in ("core.fsmonitor=false", f"core.hooksPath={os.devnull}", "protocol.allow=never")
    for word in ("-c", setting)
)


_NOT_HERE = 2**62
"""The size of a blob that was too large to be fetched."""


class HasLocation(Protocol):
    """Anything that names a blob."""

    @property
    def location(self) -> Path | str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """One tracked file."""

    path: str
    object_id: str
    num_bytes: int


def is_repository(folder: Path) -> bool:
    """Whether a folder is the top of a work tree or a bare repository, without starting git."""
    bare = (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()
    return bare or (folder / ".git").exists()


def is_in_work_tree(folder: Path) -> bool:
    """Whether some folder above is the top of a work tree."""
    return any((parent / ".git").exists() for parent in folder.parents)


def head(repository: Path) -> str:
    """The id of the commit that HEAD names, `""` where there is none yet."""
    done = _run(repository, "rev-parse", "--quiet", "--verify", "HEAD^{commit}", check=False)
    if done.returncode == 0:
        return done.stdout.decode().strip()
    _run(repository, "rev-parse", "--git-dir")
    return ""


def origin(repository: Path) -> str:
    """`owner/name` of the remote called origin, `""` where there is none."""
    url = (
        _run(repository, "config", "--get", "remote.origin.url", check=False).stdout.decode("utf-8", "replace").strip()
    )
    match = re.search(r"([^/:\s]+)/([^/:\s]+?)(\.git)?/?$", url)
    return f"{match[1]}/{match[2]}" if match else ""


def list_blobs(repository: Path, commit: str, *, recursive: bool = True) -> list[Blob]:
    """The plain files of a commit, in git's order; links and submodules are left out."""
    options = ["-r"] if recursive else []
    listing = _run(repository, "ls-tree", "-z", "--long", "--full-tree", *options, commit).stdout
    blobs = []
    for entry in filter(None, listing.split(b"\0")):
        head_part, _, name = entry.partition(b"\t")
        mode, _, object_id, num_bytes = head_part.split()
        if mode in (b"100644", b"100755"):
            size = int(num_bytes) if num_bytes.isdigit() else _NOT_HERE
            blobs.append(Blob(path=os.fsdecode(name), object_id=object_id.decode(), num_bytes=size))
    return blobs


def changed_since(repository: Path, commit: str, date: str) -> frozenset[str]:
    """The files that some commit since that date (as 2025-01-31, UTC) touched, by the committers' clocks."""
    options = ["--no-renames", "--name-only", "--format=", "-z", f"--since={date}T00:00:00Z"]
    listing = _run(repository, "log", *options, commit).stdout
    return frozenset(os.fsdecode(name).lstrip("\n") for name in listing.split(b"\0") if name)


def newest_commits(repository: Path, commit: str, most: int) -> list[frozenset[str]]:
    """The files that each of the last commits touched, the newest commit first; merges by themselves touch none."""
    mark = "\x01"
    options = ["--no-renames", "--name-only", f"--format=tformat:{mark}", "-z", f"--max-count={most}"]
    listing = os.fsdecode(_run(repository, "log", *options, commit).stdout)
    return [
        frozenset(filter(None, (name.strip("\n") for name in part.split("\0")))) for part in listing.split(mark)[1:]
    ]


def list_work_tree(folder: Path, *, tracked_only: bool = False) -> list[str]:
    """Paths below a folder of a work tree, relative to it, that git tracks or would track: ignored ones stay out."""
    untracked = () if tracked_only else ("--others", "--exclude-standard")
    listing = _run(folder, "ls-files", "-z", "--cached", *untracked).stdout
    return sorted({os.fsdecode(name) for name in listing.split(b"\0") if name})


def submodules(repository: Path) -> list[str]:
    """The paths of the repositories that HEAD links to, whose files are not its own."""
    done = _run(repository, "ls-tree", "-r", "-z", "--full-tree", "HEAD", check=False)
    entries = filter(None, done.stdout.split(b"\0"))
    return [os.fsdecode(entry.partition(b"\t")[2]) for entry in entries if entry.startswith(b"160000 ")]


def is_shallow(repository: Path) -> bool:
    """Whether older commits were left where it was cloned from."""
    return _run(repository, "rev-parse", "--is-shallow-repository", check=False).stdout.strip() == b"true"


def has_changes(repository: Path) -> bool:
    """Whether tracked files differ from HEAD; a bare repository has none."""
    return _run(repository, "diff", "--quiet", "--no-ext-diff", "--no-textconv", "HEAD", check=False).returncode == 1


class BlobReader:
    """Reads blobs through one git process: `with BlobReader(repository) as read: read(file)`."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> BlobReader:
        self._process = subprocess.Popen(
            _command(self._repository, "cat-file", "--batch"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.communicate()

    def __call__(self, file: HasLocation) -> bytes:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{file.location}\n".encode())
        process.stdin.flush()
        header = process.stdout.readline().split()
        if len(header) != 3:
            raise CorpusError(
                f"git cannot read {file.location} in {self._repository}: repair the repository with git fsck"
            )
        content = process.stdout.read(int(header[2]) + 1)
        return content[:-1]


def _command(folder: Path, *arguments: str) -> list[str]:
    return ["git", *_SAFE, "-C", str(folder), *arguments]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def _run(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    try:
        done = subprocess.run(_command(folder, *arguments), capture_output=True, env=_environment(), check=False)
    except FileNotFoundError as error:
        raise CorpusError(f"git is needed to read {folder}: install git, or copy the files elsewhere") from error
    if check and done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CorpusError(f"git cannot read {folder}: {said[-1] if said else f'status {done.returncode}'}")
    return done
