"""A session as a file: JSON lines, one step each, in the order in which they happen.

    {"open": "parcels.py", "text": "..."}
    {"rest": "parcels.py", "cursor": 120}
    {"edit": "parcels.py", "at": 120, "remove": 0, "insert": "d", "cursor": 121, "phase": "typing"}

Offsets are code points. `lsp_server.replay` says what a step means.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lsp_server.replay import Edit, Open, Phase, Rest, Step

KINDS: dict[str, type[Step]] = {"open": Open, "rest": Rest, "edit": Edit}


def write_session(path: Path, steps: Iterable[Step]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        for step in steps:
            stream.write(json.dumps(_to_json(step), ensure_ascii=False) + "\n")


def read_session(path: Path) -> list[Step]:
    """Raises: ValueError that names the line which is no step."""
    with path.open(encoding="utf-8") as stream:
        return list(_read(path, stream))


def _read(path: Path, lines: Iterable[str]) -> Iterator[Step]:
    for number, line in enumerate(lines, 1):
        try:
            yield _from_json(json.loads(line))
        except (TypeError, ValueError, AttributeError, StopIteration) as error:
            raise ValueError(f"{path}:{number} is no step of a session: {error or 'unknown kind'}") from error


def _to_json(step: Step) -> dict[str, Any]:  # Any: JSON
    kind = next(name for name, each in KINDS.items() if isinstance(step, each))
    values = asdict(step)
    return {kind: values.pop("document"), **values}


def _from_json(values: dict[str, Any]) -> Step:
    kind = next(name for name in KINDS if name in values)
    rest = {name: value for name, value in values.items() if name != kind}
    if kind == "edit":
        rest["phase"] = Phase(rest["phase"])
    return KINDS[kind](document=values[kind], **rest)
