"""Fetching a repository from elsewhere: the only place of the corpus stage that reaches the network for git.

A fetched repository is bare, holds one commit, and is read like any other; only the transports of `_ALLOWED` are used.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from lsp_server.errors import CorpusError
from trainer.folders import whole_folder

_ALLOWED = ("https", "http", "ssh", "file")
_LARGEST_BLOB = 10_000_000
"""Files over the largest `max_file_bytes` there can be are not fetched at all."""


def fetch_content(url: str, revision: str, folder: Path) -> Path:
    """One commit with its files, into `folder` unless it is there. Raises: CorpusError."""
    return _fetch(url, revision, folder, "--depth=1", f"--filter=blob:limit={_LARGEST_BLOB}")


def fetch_history(url: str, revision: str, folder: Path) -> Path:
    """All commits up to one, without any file's content. Raises: CorpusError."""
    return _fetch(url, revision, folder, "--filter=blob:none")


def _fetch(url: str, revision: str, folder: Path, *options: str) -> Path:
    if folder.is_dir():
        return folder
    with whole_folder(folder) as partial:
        _git(url, "init", "--quiet", "--bare", str(partial))
        _git(url, "-C", str(partial), "remote", "add", "origin", url)
        _git(url, "-C", str(partial), "fetch", "--quiet", "--no-tags", *options, "origin", revision or "HEAD")
        _git(url, "-C", str(partial), "update-ref", "--no-deref", "HEAD", "FETCH_HEAD^{commit}")
        # What was left out stays out: git would otherwise ask for it, file by file, whenever it meets one.
        for name in ("promisor", "partialclonefilter"):
            _git(url, "-C", str(partial), "config", f"remote.origin.{name}", "false")
            _git(url, "-C", str(partial), "config", "--unset", f"remote.origin.{name}")
    return folder


def _git(url: str, *arguments: str) -> None:
    allowed = [word for name in _ALLOWED for word in ("-c", f"protocol.{name}.allow=always")]
    command = ["git", "-c", f"core.hooksPath={os.devnull}", "-c", "protocol.allow=never", *allowed, *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(command, capture_output=True, env=environment, check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise CorpusError(f"git is needed to fetch {url}: install git") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CorpusError(
            f"git cannot fetch {url}: {said[-1] if said else f'status {done.returncode}'}; "
            "check the address, and give a full commit id, a branch or a tag behind #"
        )
