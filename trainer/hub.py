"""Sends a bundle or an exported folder to a model repository of the Hugging Face Hub. Never takes or tells a token.

The token is what `hf auth login` or the environment (HF_TOKEN) gives to huggingface_hub. Private unless told otherwise.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsp_server.errors import ExportError
from lsp_server.model.bundle import CONFIG, MANIFEST, MODEL_CARD, open_bundle

DEFAULT_ENDPOINT = "https://huggingface.co"
_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_LICENCE = re.compile(r"\A---\n(?:.*\n)*?license: *(\S+)")
_TALKATIVE = ("httpx", "httpx2", "httpcore", "httpcore2", "urllib3")
"""HTTP libraries that log addresses with --verbose; those of an upload are signed, and so as good as a password."""
_SECRET = re.compile(r"hf_\w+|Bearer \S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be sent, and where to."""

    folder: Path
    name: str
    endpoint: str
    private: bool
    licence: str
    """As the card says; empty where it says nothing."""
    files: tuple[str, ...]
    num_bytes: int

    def lines(self) -> list[str]:
        visible = "private" if self.private else "PUBLIC"
        return [
            f"{self.folder} -> {self.endpoint}/{self.name}, {visible}, licence {self.licence or 'none'}",
            *(f"  {name}" for name in self.files),
            f"  {self.num_bytes / 1e6:,.1f} MB in all",
        ]


def plan_push(folder: Path, name: str, *, private: bool) -> Plan:
    """Look at everything that would be sent.

    Raises: BundleError for a bundle that is damaged or does not match its card; ExportError for a folder that holds no
    model, a name that is none, or a public model without a licence.
    """
    if not _NAME.fullmatch(name):
        raise ExportError(f"--to is {name!r}: give it as OWNER/NAME")
    if not (folder / CONFIG).is_file():
        raise ExportError(f"{folder} holds no model: give a bundle, or a folder from `parrotlet-train export --to hf`")
    if (folder / MANIFEST).is_file():
        open_bundle(folder)
    card = folder / MODEL_CARD
    found = _LICENCE.match(card.read_text(encoding="utf-8")) if card.is_file() else None
    if found is None and not private:
        raise ExportError(
            f"{card} names no licence, as for a model of code that is not all permissively licensed: "
            "leave it private, or write `license:` into the card's head and export again"
        )
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return Plan(
        folder=folder,
        name=name,
        endpoint=os.environ.get("HF_ENDPOINT", DEFAULT_ENDPOINT),
        private=private,
        licence=found[1] if found else "",
        files=tuple(path.name for path in files),
        num_bytes=sum(path.stat().st_size for path in files),
    )


def push(plan: Plan) -> str:
    """Send it; returns the address of what was made. Raises: ExportError."""
    api = _api(plan.endpoint)
    with _errors(plan):
        api.create_repo(plan.name, private=plan.private, exist_ok=True, repo_type="model")
        is_private = bool(api.model_info(plan.name).private)
    if plan.private and not is_private:
        raise ExportError(f"{plan.name} is there already, for everyone to read: choose another name, or say --public")
    with _errors(plan):
        commit = api.upload_folder(
            repo_id=plan.name,
            folder_path=plan.folder,
            allow_patterns=list(plan.files),
            commit_message="Upload a model made by parrotlet-train",
        )
    return str(commit.commit_url)


def _api(endpoint: str) -> Any:  # Any: huggingface_hub may not be installed
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise ExportError("pushing needs huggingface_hub: pip install 'parrotlet[push]'") from error
    return HfApi(endpoint=endpoint)


@contextmanager
def _errors(plan: Plan) -> Iterator[None]:
    """Whatever fails is told in one line, without anything that looks like a token."""
    try:
        yield
    except Exception as error:  # its own errors, the HTTP library's, the system's
        said = _SECRET.sub("***", " ".join(str(error).split()))[:300]
        raise ExportError(
            f"{plan.name} could not be sent to {plan.endpoint} ({type(error).__name__}: {said}): "
            "log in with `hf auth login` or set HF_TOKEN, and see that you may write there"
        ) from None
