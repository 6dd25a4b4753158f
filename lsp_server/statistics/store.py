"""The offers on disk: one SQLite file under the user's data folder, which all windows share.

It is written in a thread of its own, so that no keystroke waits for a disk. Whatever goes wrong there costs figures and
nothing else: it is logged once.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import fields
from pathlib import Path

from lsp_server.data_folder import data_folder
from lsp_server.errors import StatisticsError
from lsp_server.statistics.offer import Offer, Outcome

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
_BUSY_SECONDS = 5.0
_COLUMNS = tuple(entry.name for entry in fields(Offer))
_TABLE = """
create table if not exists offers (
    key integer primary key, offered_at real not null, client text not null, language text not null,
    automatic integer not null, from_cache integer not null, latency_ms real not null, characters integer not null,
    lines integer not null, outcome text not null, accepted_characters integer not null, num_accepts integer not null,
    typed_characters integer not null, kept_30_s integer, kept_5_min integer
)
"""


def default_file() -> Path:
    """Where the figures of this user are."""
    return data_folder() / "statistics.sqlite"


class StatisticsStore:
    """Writes what became of offers."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="statistics")
        self._connection: sqlite3.Connection | None = None
        self._has_failed = False

    def put(self, offer: Offer) -> None:
        """Write an offer, or what has become known of it since."""
        row = tuple(getattr(offer, name) for name in _COLUMNS)
        self._thread.submit(self._guarded, lambda connection: _put(connection, row))

    def close(self) -> None:
        """Wait until all is written."""
        self._thread.submit(self._close)
        self._thread.shutdown(wait=True)

    def _guarded(self, work: Callable[[sqlite3.Connection], None]) -> None:
        if self._has_failed:
            return
        try:
            self._connection = self._connection or _open(self.file)
            work(self._connection)
        except (sqlite3.Error, OSError, StatisticsError) as error:
            self._has_failed = True
            logger.warning("no statistics are kept: %s: %s", self.file, error)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def read_offers(file: Path, since: float = 0.0) -> list[Offer]:
    """All offers from a time on, oldest first; none where there is no file yet.

    Raises: StatisticsError when the file is no such database, or a newer Parrotlet's.
    """
    if not file.is_file():
        return []
    try:
        with closing(_open(file)) as connection:
            found = connection.execute(
                f"select {', '.join(_COLUMNS)} from offers where offered_at >= ? order by offered_at", (since,)
            ).fetchall()
    except (sqlite3.Error, OSError) as error:
        raise StatisticsError(f"{file} cannot be read ({error}): move it away to begin anew") from error
    return [_offer(dict(zip(_COLUMNS, row, strict=True))) for row in found]


def _offer(values: dict[str, object]) -> Offer:
    converted = {
        **values,
        "automatic": bool(values["automatic"]),
        "from_cache": bool(values["from_cache"]),
        "outcome": Outcome(values["outcome"]),
    }
    return Offer(**converted)  # type: ignore[arg-type]  # the table's types are the fields'


def _open(file: Path) -> sqlite3.Connection:
    """Raises: StatisticsError for a newer format; sqlite3.Error, OSError."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A transaction that begins as a reader's and becomes a writer's is refused at once where another window writes.
    connection = sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level="IMMEDIATE")
    try:
        version = connection.execute("pragma user_version").fetchone()[0]
        if version > FORMAT_VERSION:
            raise StatisticsError(
                f"{file} has format {version}, this Parrotlet reads up to {FORMAT_VERSION}: update Parrotlet"
            )
        with connection:
            connection.execute("begin immediate")
            connection.execute(_TABLE)
            connection.execute(f"pragma user_version = {FORMAT_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def _put(connection: sqlite3.Connection, row: tuple[object, ...]) -> None:
    places = ", ".join("?" * len(_COLUMNS))
    with connection:
        connection.execute(f"insert or replace into offers ({', '.join(_COLUMNS)}) values ({places})", row)
