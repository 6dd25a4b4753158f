from __future__ import annotations

from benchmarks.engine.startup import seconds_of_parts
from lsp_server.model.bundle import EMBEDDED


def test_each_part_of_the_start_is_named() -> None:
    assert seconds_of_parts(EMBEDDED, 1, 1).keys() == {"python", "import", "open", "load"}
