"""Commands whose reader has gone."""

import subprocess
import sys

import pytest

from lsp_server.broken_pipe import EXIT_UNHEARD

COMMANDS = {"lsp_server.cli": ["models"], "trainer.cli": ["recipes"]}


@pytest.mark.parametrize("module", COMMANDS)
def test_a_command_that_nobody_reads_ends_without_a_word(module: str) -> None:
    """What it writes waits in a buffer in most places, and goes at once in some."""
    program = f"""
import runpy, sys
sys.stdin.read()
sys.argv = ["command", *{COMMANDS[module]}]
runpy.run_module("{module}", run_name="__main__")
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (EXIT_UNHEARD, b"")
