"""The code of a Jupyter notebook as one text: its cells in order, a line apart, as the language server shows them.

Reads nbformat 3 and 4 (nbformat.readthedocs.io/en/latest/format_description.html); knows no filter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


def is_notebook(path: str) -> bool:
    return path.endswith(".ipynb")


def code_of(text: str) -> tuple[str, str | None]:
    """The text of a notebook's code cells, or the reason why there is none: it is damaged, or not of Python."""
    try:
        notebook = json.loads(text)
        if _language(notebook) != "python":
            return "", "foreign_notebook"
        return "\n".join(filter(None, map(_source, _cells(notebook)))), None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return "", "malformed_notebook"


def _language(notebook: dict[str, Any]) -> str:  # Any: JSON
    """Notebooks without a word about it are Python's: the first kernels wrote none."""
    metadata = notebook.get("metadata") or {}
    named = (metadata.get("language_info") or {}).get("name") or (metadata.get("kernelspec") or {}).get("language")
    return str(named or "python").lower()


def _cells(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "worksheets" in notebook:  # nbformat 3
        for sheet in notebook["worksheets"]:
            yield from sheet["cells"]
    else:
        yield from notebook["cells"]


def _source(cell: dict[str, Any]) -> str:
    if cell["cell_type"] != "code":
        return ""
    source = cell["source"] if "source" in cell else cell["input"]
    return (source if isinstance(source, str) else "".join(source)).strip("\n")
