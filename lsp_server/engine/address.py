"""Where the engine of a given identity is found: a private folder, and its files in it. Opens no socket."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs

import lsp_server
from lsp_server.engine.choice import EngineChoice
from lsp_server.errors import EngineUnavailableError
from lsp_server.model.bundle import EMBEDDED
from lsp_server.model.opening import content_hash

PROTOCOL_VERSION = 5
"""Of the messages on the socket; any change of them changes it."""
RUNTIME_FOLDER_VARIABLE = "PARROTLET_RUNTIME_DIR"
APPLICATION = "parrotlet"
MAX_SOCKET_PATH_BYTES = 100
"""A socket's path must fit `sun_path`: 108 bytes on Linux, 104 on macOS and the BSDs, with the closing zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineIdentity:
    """What two clients must have in common to share one process."""

    protocol_version: int
    package_version: str
    bundle: str
    manifest_hash: str
    """Of the bundle's manifest, and so of every file; of a folder from the Hub, what its files look like."""
    device: str
    threads: int | None
    backend: str

    @classmethod
    def of(cls, choice: EngineChoice) -> EngineIdentity:
        """A model that cannot be read has an identity too, its engine says why.

        The engine of whoever named no model follows the user's choice, so it is another one than that of any folder.
        """
        path = (EMBEDDED if choice.model is None else choice.model).expanduser().resolve()
        return cls(
            protocol_version=PROTOCOL_VERSION,
            package_version=lsp_server.__version__,
            bundle="" if choice.model is None else str(path),
            manifest_hash=content_hash(path),
            device=choice.device,
            threads=choice.threads,
            backend=choice.backend,
        )

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAddress:
    """The files of one engine."""

    folder: Path
    key: str

    @classmethod
    def of(cls, identity: EngineIdentity) -> EngineAddress:
        """Raises: EngineUnavailableError when there is no private folder for them."""
        return cls(folder=runtime_folder(), key=identity.key)

    @property
    def socket(self) -> Path:
        return self.folder / f"{self.key}.sock"

    @property
    def port_file(self) -> Path:
        """Port and token, where the transport is loopback TCP."""
        return self.folder / f"{self.key}.port"

    @property
    def start_lock(self) -> Path:
        """Held by the client that starts an engine."""
        return self.folder / f"{self.key}.start"

    @property
    def life_lock(self) -> Path:
        """Held by the engine as long as it lives."""
        return self.folder / f"{self.key}.life"


def runtime_folder() -> Path:
    """The folder for sockets and locks, made if need be; nobody else may look into it.

    Raises: EngineUnavailableError when it belongs to, or is open to, somebody else.
    """
    override = os.environ.get(RUNTIME_FOLDER_VARIABLE)
    if override:
        return _private(Path(override).expanduser().resolve())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs tells users that XDG_RUNTIME_DIR is unset; we have a way without
        folder = Path(platformdirs.user_runtime_dir(APPLICATION, appauthor=False))
    if _fits_socket_path(folder):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            pass  # a session without a runtime folder, as under cron or su
        else:
            return _private(folder)
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return _private(Path(tempfile.gettempdir()) / f"{APPLICATION}-{user}")


def log_file() -> Path:
    """Where a detached engine writes what went wrong."""
    if os.environ.get(RUNTIME_FOLDER_VARIABLE):
        return runtime_folder() / "engine.log"
    folder = Path(platformdirs.user_log_dir(APPLICATION, appauthor=False))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        folder = runtime_folder()
    return folder / "engine.log"


def _fits_socket_path(folder: Path) -> bool:
    longest_name = f"{'0' * 12}.sock.{2**22}"  # the name it is bound under before it is published
    return os.name == "nt" or len(os.fsencode(folder / longest_name)) <= MAX_SOCKET_PATH_BYTES


def _private(folder: Path) -> Path:
    remedy = f"remove it, or set {RUNTIME_FOLDER_VARIABLE} to a folder of yours"
    if not _fits_socket_path(folder):
        raise EngineUnavailableError(f"{folder} is too long a path for a socket: set {RUNTIME_FOLDER_VARIABLE}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise EngineUnavailableError(f"{folder} cannot be used for the engine's socket ({error}): {remedy}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise EngineUnavailableError(f"{folder} is not a folder: {remedy}")
    if hasattr(os, "getuid"):  # on Windows the profile's access list does this
        if found.st_uid != os.getuid():
            raise EngineUnavailableError(f"{folder} belongs to another user: {remedy}")
        if found.st_mode & 0o077:
            raise EngineUnavailableError(f"{folder} is open to other users: `chmod 700` it, or {remedy}")
    return folder
