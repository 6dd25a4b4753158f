"""Where the model inside the package is, and the word for it on a command line and in a recipe. Opens nothing."""

from __future__ import annotations

from pathlib import Path

EMBEDDED = Path(__file__).parent.parent / "bundled" / "default"


def named_model(name: str) -> Path:
    """The folder that is meant: `embedded` is the model inside the package."""
    return EMBEDDED if name == "embedded" else Path(name).expanduser()
