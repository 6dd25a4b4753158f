"""The models as a table for people and as JSON for editors. Changes nothing."""

from __future__ import annotations

import json
import time
from typing import Any

from lsp_server.library.choice import Chosen, in_use
from lsp_server.library.shelf import EMBEDDED_NAME, Shelf, Version, all_shelves
from lsp_server.model.embedded import EMBEDDED


def as_text() -> str:
    """A line a version, the newest first; `*` is in use."""
    chosen = in_use()
    lines = [_line(chosen, Chosen(name=EMBEDDED_NAME), "inside the package")]
    for shelf in all_shelves():
        lines += [_line(chosen, _of(shelf, version), _told(version)) for version in reversed(shelf.versions)]
        if not shelf.versions:
            lines.append(f"  {shelf.name:<24}no version was better than its base, see {shelf.folder / 'reports'}")
    return "\n".join(lines)


def as_json() -> str:
    """{"in_use": {"name", "version"}, "models": [{"name", "in_use", "versions": [...], ...}]}; times in seconds."""
    chosen = in_use()
    embedded: dict[str, Any] = {  # Any: JSON
        "name": EMBEDDED_NAME,
        "in_use": chosen.name == EMBEDDED_NAME,
        "folder": str(EMBEDDED),
        "versions": [],
    }
    return json.dumps(
        {
            "in_use": {"name": chosen.name, "version": chosen.version, "folder": str(chosen.folder)},
            "models": [embedded, *(_entry(shelf, chosen) for shelf in all_shelves())],
        },
        indent=2,
    )


def _entry(shelf: Shelf, chosen: Chosen) -> dict[str, Any]:  # Any: JSON
    return {
        "name": shelf.name,
        "in_use": chosen.name == shelf.name,
        "folder": str(shelf.folder),
        "versions": [
            {
                "version": version.number,
                "in_use": chosen == _of(shelf, version),
                "made_at": round(version.made_at),
                "bytes": version.num_bytes,
                "folder": str(version.folder),
                "report": str(version.report) if version.report.is_file() else None,
            }
            for version in reversed(shelf.versions)
        ],
    }


def _of(shelf: Shelf, version: Version) -> Chosen:
    return Chosen(name=shelf.name, version=version.number)


def _told(version: Version) -> str:
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(version.made_at))
    report = f", report {version.report}" if version.report.is_file() else ""
    return f"{made}, {version.num_bytes / 1e6:.0f} MB{report}"


def _line(chosen: Chosen, one: Chosen, told: str) -> str:
    return f"{'*' if one == chosen else ' '} {one.title:<24}{told}"
