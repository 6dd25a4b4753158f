"""From findings to what stays: the report, then the version, then the choice. What fails in between changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

from lsp_server.errors import LibraryError
from lsp_server.library.choice import use
from lsp_server.library.shelf import Shelf, Version
from trainer.folders import write_whole
from trainer.personal.findings import Findings
from trainer.personal.report import render
from trainer.personal.telling import Outcome


def publish(shelf: Shelf, version: Version, findings: Findings, model: Path) -> Outcome:
    """Write the report, and put the model in use if it was accepted. Raises: LibraryError, BundleError."""
    try:
        write_whole(version.report.with_suffix(".json"), json.dumps(findings.figures(), indent=2) + "\n")
        write_whole(version.report, render(findings))
    except OSError as error:
        raise LibraryError(
            f"{version.report} cannot be written ({error}): free disk space, then train again"
        ) from error
    title = shelf.name
    if findings.verdict.accepted:
        shelf.publish(model, version)
        title = use(f"{shelf.name}@{version.number}").title
    return Outcome(
        accepted=findings.verdict.accepted, report=version.report, model=title, paragraph=findings.paragraph()
    )
