from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.replay.recording import read_session, write_session
from lsp_server.replay import Edit, Open, Phase, Rest

STEPS = [
    Open(document="é.py", text='a = "\n"'),
    Rest(document="é.py", cursor=3),
    Edit(document="é.py", at=3, remove=1, insert="\U0001f600", cursor=4, phase=Phase.DELETING),
]


def test_a_recorded_session_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "session.jsonl"
    write_session(file, STEPS)
    assert read_session(file) == STEPS
    assert len(file.read_text(encoding="utf-8").splitlines()) == len(STEPS), "one line a step"


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        '{"jump": "a.py"}',
        '{"rest": "a.py"}',
        '{"edit": "a.py", "at": 1, "remove": 0, "insert": "", "cursor": 1, "phase": "dreaming"}',
    ],
)
def test_what_is_no_step_is_named_by_its_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "session.jsonl"
    write_session(file, STEPS)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")
    with pytest.raises(ValueError, match=r"session\.jsonl:4 is no step"):
        read_session(file)
