"""What figures were measured on: processor, cores, system, versions. Measures nothing."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")
"""Instructions that decide how fast a network runs on a processor."""


def describe_machine(packages: Sequence[str]) -> dict[str, object]:
    """For people and for JSON."""
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "processor": processor(),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in packages},
    }


def processor() -> str:
    """Its name, and the instructions among `FEATURES` that it has."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "")
    features = [name for name in FEATURES if f" {name}" in flags]
    return f"{models[0] if models else 'unknown'} ({', '.join(features)})"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
