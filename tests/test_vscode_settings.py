"""The VS Code extension declares the server's settings; this holds the two lists together."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from lsp_server.cli import DEVICES
from lsp_server.settings import Settings, merge, to_camel

EXTENSION = Path(__file__).parents[1] / "vscode-extension"
MANIFEST = json.loads((EXTENSION / "package.json").read_text("utf-8"))
MOST_LINES = 1200
SECTIONS: list[dict[str, Any]] = MANIFEST["contributes"]["configuration"]
PROPERTIES: dict[str, dict[str, Any]] = {
    name: each for section in SECTIONS for name, each in section["properties"].items()
}
CLIENT_ONLY = {"parrotlet.server.path", "parrotlet.model", "parrotlet.device", "parrotlet.trace.server"}
SERVER_DEFAULTS = {f"parrotlet.{to_camel(entry.name)}": getattr(Settings(), entry.name) for entry in fields(Settings)}
NUMERIC = sorted(name for name, default in SERVER_DEFAULTS.items() if type(default) in (int, float))
JSON_TYPES = {bool: "boolean", int: "integer", float: "number", tuple: "array"}


def errors_of(setting: str, value: object) -> list[str]:
    return [str(error) for error in merge(Settings(), {setting.removeprefix("parrotlet."): value})[1]]


def test_the_extension_declares_every_setting_of_the_server_and_its_own_four() -> None:
    assert set(PROPERTIES) == set(SERVER_DEFAULTS) | CLIENT_ONLY


@pytest.mark.parametrize("setting", sorted(SERVER_DEFAULTS))
def test_a_setting_has_the_servers_type_and_default(setting: str) -> None:
    default, declared = SERVER_DEFAULTS[setting], PROPERTIES[setting]
    if isinstance(default, Enum):
        assert (declared["type"], declared["default"]) == ("string", default.value)
    else:
        assert declared["type"] == JSON_TYPES[type(default)]
        assert declared["default"] == (list(default) if isinstance(default, tuple) else default)
    assert errors_of(setting, declared["default"]) == []


@pytest.mark.parametrize("setting", NUMERIC)
def test_a_number_has_the_servers_range(setting: str) -> None:
    declared = PROPERTIES[setting]
    low, high = declared["minimum"], declared["maximum"]
    step = 1 if declared["type"] == "integer" else 1e-6
    assert [errors_of(setting, value) for value in (low, high)] == [[], []]
    assert all(errors_of(setting, value) for value in (low - step, high + step))


def test_choices_are_the_servers_and_each_is_explained() -> None:
    enums = {name: type(default) for name, default in SERVER_DEFAULTS.items() if isinstance(default, Enum)}
    choices = {name: [member.value for member in enum] for name, enum in enums.items()}
    assert {name: declared["enum"] for name, declared in PROPERTIES.items() if name in choices} == choices
    assert all(len(PROPERTIES[name]["enumDescriptions"]) == len(values) for name, values in choices.items())


def test_devices_are_the_commands() -> None:
    assert PROPERTIES["parrotlet.device"]["enum"] == list(DEVICES)


def test_no_workspace_can_choose_a_program_or_a_model() -> None:
    chooses = ["parrotlet.server.path", "parrotlet.model", "parrotlet.device"]
    assert [PROPERTIES[name]["scope"] for name in chooses] == ["machine"] * 3
    restricted = MANIFEST["capabilities"]["untrustedWorkspaces"]
    assert (restricted["supported"], restricted["restrictedConfigurations"]) == ("limited", chooses)


def test_the_extension_leaves_the_servers_command_ids_to_the_server() -> None:
    """The client library registers `executeCommand` ids by itself, and fails on one that is taken."""
    declared = {command["command"] for command in MANIFEST["contributes"]["commands"]}
    assert declared.isdisjoint({"parrotlet.accepted", "parrotlet.status", "parrotlet.reload"})


def test_a_model_is_trained_in_trusted_workspaces_only() -> None:
    """Reading a hostile repository may run what its git configuration names."""
    (train,) = [each for each in MANIFEST["contributes"]["commands"] if each["command"] == "parrotlet.train"]
    assert "isWorkspaceTrusted" in train["enablement"]


def test_links_lead_to_commands_that_exist() -> None:
    declared = {command["command"] for command in MANIFEST["contributes"]["commands"]}
    linked = set(re.findall(r"command:(parrotlet\.\w+)", json.dumps(MANIFEST["contributes"])))
    assert linked
    assert linked <= declared


def test_the_extension_stays_small() -> None:
    """Lines of code, in the editor's host and in its panel; blank ones and comments do not count."""
    files = [file for folder in ("src", "webview") for file in (EXTENSION / folder).glob("*.ts")]
    lines = [line.strip() for file in files for line in file.read_text("utf-8").splitlines()]
    assert sum(bool(line) and not line.startswith(("//", "/*", "*")) for line in lines) < MOST_LINES


def test_the_extension_has_the_servers_version() -> None:
    pyproject = (Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8")
    assert f'\nversion = "{MANIFEST["version"]}"\n' in pyproject


def test_a_setting_stands_in_one_section() -> None:
    names = [name for section in SECTIONS for name in section["properties"]]
    assert len(names) == len(set(names))
    assert len({section["title"] for section in SECTIONS}) == len(SECTIONS)


def test_every_setting_is_described() -> None:
    assert all(len(declared["markdownDescription"]) > 20 for declared in PROPERTIES.values())
