"""Answers `parrotlet/statistics`: what became of this user's suggestions, for an editor that draws it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams

from lsp_server.errors import StatisticsError
from lsp_server.statistics.report import as_values
from lsp_server.statistics.store import StatisticsStore, read_offers

STATISTICS_REQUEST = "parrotlet/statistics"
"""From the client, with `{"days": N}`; answered with what `parrotlet stats --days N --json` prints."""
MOST_DAYS = 3660
_DAY_SECONDS = 86_400


async def figures(params: object, store: StatisticsStore | None) -> dict[str, Any]:  # Any: JSON
    """The figures of the last days, of all editors; without a store, those of nothing.

    Raises: JsonRpcException with one line for the user.
    """
    days = getattr(params, "days", None)
    if type(days) is not int or not 1 <= days <= MOST_DAYS:
        raise JsonRpcInvalidParams(f"days is {days!r}: give a whole number from 1 to {MOST_DAYS}")
    if store is None:
        return as_values([], days)
    since = time.time() - _DAY_SECONDS * days
    try:
        offers = await asyncio.to_thread(read_offers, store.file, since)
    except StatisticsError as error:
        raise JsonRpcException(str(error), code=types.LSPErrorCodes.RequestFailed) from error
    return as_values(offers, days)
