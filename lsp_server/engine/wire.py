"""Frames on the engine's socket: four bytes of length, big-endian, then one JSON object. Knows no message's meaning."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

MAX_FRAME_BYTES = 4 * 2**20
"""A prompt of 1,024 tokens takes 7 KB; what is longer than this comes from something else than a Parrotlet."""
_LENGTH_BYTES = 4


class WireError(Exception):
    """What arrived is no frame or no message; the connection cannot be trusted any further."""


def encode_frame(message: Mapping[str, Any]) -> bytes:
    """Raises: WireError when the message is too long."""
    payload = json.dumps(message, separators=(",", ":")).encode()
    if len(payload) > MAX_FRAME_BYTES:
        raise WireError(f"a message of {len(payload)} bytes is over the limit of {MAX_FRAME_BYTES}")
    return len(payload).to_bytes(_LENGTH_BYTES, "big") + payload


async def read_frame(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message; None when the other side has closed the connection.

    Raises: WireError, OSError.
    """
    try:
        header = await reader.readexactly(_LENGTH_BYTES)
        length = int.from_bytes(header, "big")
        if length > MAX_FRAME_BYTES:
            raise WireError(f"a frame of {length} bytes is over the limit of {MAX_FRAME_BYTES}")
        payload = await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise WireError("the connection ended inside a frame") from error
        return None
    return _decode(payload)


def _decode(payload: bytes) -> dict[str, Any]:
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise WireError(f"a frame is not JSON: {type(error).__name__}") from error
    if not isinstance(message, dict):
        raise WireError(f"a frame holds a {type(message).__name__}, not an object")
    return message
