from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lsp_server import __version__, cli
from lsp_server.errors import BundleError

ROOT = Path(__file__).parents[2]


def test_the_server_imports_no_torch_and_no_transformers() -> None:
    program = (
        "import sys, lsp_server.cli, lsp_server.assembly, lsp_server.protocol.serve, lsp_server.engine.client\n"
        "heavy = {'torch', 'transformers', 'numpy', 'lsp_server.model.gpt2'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr


def test_the_command_line_itself_imports_no_protocol() -> None:
    program = "import sys, lsp_server.cli; sys.exit('pygls' in sys.modules or 'tokenizers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"parrotlet {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["fly"], ["serve", "--device", "abacus"]])
def test_wrong_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    assert "usage: parrotlet" in capsys.readouterr().err


def test_a_users_mistake_is_one_line_and_exit_code_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_serve", fail)
    assert cli.main(["serve"]) == 2
    assert capsys.readouterr().err == "parrotlet: there is no model at x: choose another\n"


def test_a_users_mistake_shows_its_traceback_with_verbose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_serve", fail)
    with pytest.raises(BundleError):
        cli.main(["serve", "--verbose"])


@pytest.mark.parametrize("arguments", [["serve", "--stdio"], ["serve", "--in-process", "--device", "cpu"]])
def test_what_editors_pass_is_taken(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_serve", lambda options: 0)
    assert cli.main(arguments) == 0


def fail(options: object) -> int:
    raise BundleError("there is no model at x: choose another")
