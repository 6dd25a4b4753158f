"""Tiny look-alikes of the benchmarks, written for these tests, and a sandbox where one works."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from lsp_server.errors import EvaluationError
from trainer.evaluate.code.sandbox import Sandbox, open_sandbox

CHECK = "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-3) == -6\n"
HUMANEVAL = [
    {
        "task_id": "Lookalike/0",
        "prompt": 'def twice(n: int) -> int:\n    """ Two times n. """\n',
        "entry_point": "twice",
        "canonical_solution": "    return 2 * n\n",
        "test": CHECK,
    },
    {
        "task_id": "Lookalike/1",
        "prompt": 'def double(n: int) -> int:\n    """ The sum of n and n. """\n',
        "entry_point": "double",
        "canonical_solution": "    total = n\n\n    total += n\n    return total\n",
        "test": CHECK,
    },
]
MBPP = [
    {
        "text": "Write a function to negate a number.",
        "code": "def negate(n):\r\n    return -n",
        "task_id": number,
        "test_setup_code": "",
        "test_list": ["assert negate(1) == -1", "assert negate(0) == 0"],
        "challenge_test_list": [],
    }
    for number in (1, 11, 510, 511)
]
INFILLING = [
    {
        "task_id": f"{part}/Lookalike/0/L0",
        "entry_point": "twice",
        "prompt": "def twice(n):\n",
        "canonical_solution": "    m = n\n",
        "suffix": "    return m + n\n",
        "test": CHECK,
    }
    for part in ("SingleLineInfilling", "MultiLineInfilling")
]


def write_jsonl(path: Path, records: Sequence[dict[str, object]]) -> Path:
    content = "".join(json.dumps(record) + "\n" for record in records).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.fixture
def humaneval(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "humaneval.jsonl.gz", HUMANEVAL)


@pytest.fixture
def mbpp(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "mbpp.jsonl", MBPP)


@pytest.fixture
def infilling(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "infilling.jsonl.gz", INFILLING)


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    """Two seconds of processor time for each program."""
    try:
        return open_sandbox(2.0)
    except EvaluationError as error:
        pytest.skip(f"NOT TESTED, generated code cannot be contained here: {error}")
