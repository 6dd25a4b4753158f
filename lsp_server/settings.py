"""The server's settings: what an editor may set, its defaults, and their checks. Knows nothing of LSP or of the model.

Which model and which executable are used is deliberately absent: those come from the command line only, so no workspace
can choose them.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any

from lsp_server.errors import SettingsError


class MenuMode(str, Enum):
    """When `textDocument/completion` answers with suggestions."""

    AUTO = "auto"
    """Only for clients without inline completion: a menu beside ghost text would take the Tab key."""
    ON = "on"
    OFF = "off"


class LengthMode(str, Enum):
    """How much of a suggestion is asked for."""

    BLOCK = "block"
    LINE = "line"


class Confidence(str, Enum):
    """How sure an automatic suggestion has to be before it is shown, and how far it goes."""

    FEWER = "fewer"
    """Fewer and surer ones."""
    BALANCED = "balanced"
    MORE = "more"
    ALL = "all"
    """Whatever the model says, to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One editor window's settings. Editors spell the keys in camelCase, under `parrotlet`."""

    enabled: bool = True
    disabled_languages: tuple[str, ...] = field(default=())
    """LSP language ids that get no suggestions."""
    length: LengthMode = LengthMode.BLOCK
    confidence: Confidence = Confidence.BALANCED
    """Of automatic suggestions; an explicit request is always answered in full."""
    max_new_tokens: int = 64
    temperature: float = 0.0
    """Automatic requests are greedy by default: the surest text, and the same text every time."""
    top_p: float = 0.95
    top_k: int = 0
    num_candidates: int = 3
    """Candidates for an explicit request, sampled at CodeParrot's temperature when `temperature` is 0."""
    debounce_ms: int = 40
    """The least wait behind a key; longer where answers come too late for who types on. 0 is no wait at all."""
    deadline_ms: int = 2000
    completion_menu: MenuMode = MenuMode.AUTO
    memory: bool = True
    """Whether suggestions may also go on as the document itself and the workspace's other files do."""
    memory_excludes: tuple[str, ...] = field(default=())
    """Globs of files in the workspace that are never looked at."""
    statistics: bool = True
    """Whether what becomes of suggestions is counted, in numbers and on this machine only."""

    def __post_init__(self) -> None:
        limits = {
            "max_new_tokens": (1, 512),
            "temperature": (0.0, 10.0),
            "top_p": (0.001, 1.0),
            "top_k": (0, 1_000_000),
            "num_candidates": (1, 8),
            "debounce_ms": (0, 10_000),
            "deadline_ms": (10, 60_000),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise SettingsError(f"parrotlet.{to_camel(name)} is {value}: choose a value from {low} to {high}")


def to_camel(name: str) -> str:
    """`max_new_tokens` -> `maxNewTokens`."""
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def merge(settings: Settings, changes: Mapping[str, Any]) -> tuple[Settings, list[SettingsError]]:
    """Apply an editor's camelCase settings; every bad key or value is left out and returned as an error."""
    names = {to_camel(entry.name): entry.name for entry in fields(Settings)}
    errors: list[SettingsError] = []
    for key, value in changes.items():
        try:
            if key not in names:
                raise SettingsError(f"parrotlet.{key} is not a setting{_nearest(key, names)}")
            settings = replace(settings, **{names[key]: _convert(key, names[key], value)})
        except SettingsError as error:
            errors.append(error)
    return settings, errors


def _nearest(key: str, names: Mapping[str, str]) -> str:
    close = difflib.get_close_matches(key, names, n=1)
    return f": did you mean parrotlet.{close[0]}?" if close else ""


def _convert(key: str, name: str, value: Any) -> Any:  # Any: JSON from an editor, as the field named wants it
    default = getattr(Settings(), name)
    if isinstance(default, Enum):
        choices = [member.value for member in type(default)]
        if value not in choices:
            raise SettingsError(f"parrotlet.{key} is {value!r}: choose one of {', '.join(choices)}")
        return type(default)(value)
    if isinstance(default, tuple):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise SettingsError(f"parrotlet.{key} is {value!r}: give a list of strings")
        return tuple(value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        raise SettingsError(f"parrotlet.{key} is {value!r}: give a value of type {type(default).__name__}")
    return value
