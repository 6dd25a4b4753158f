"""A data set of the Hub as texts without end, streamed: nothing is downloaded whole. Needs the `datasets` library.

    hf:NAME?split=train&config=python&column=content

It should be one that was cleaned, as codeparrot/codeparrot-clean is: of the corpus stage's filters only the names that
are reserved for evaluation are held against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from lsp_server.errors import CorpusError
from trainer.corpus.reserved import is_reserved_source
from trainer.dataset.texts import DatasetTexts

PREFIX = "hf:"
_OPTIONS = ("split", "config", "revision", "column")
_REPOSITORY_COLUMNS = ("repo_name", "repository_name", "max_stars_repo_name", "repo")
"""Of CodeParrot's sets, The Stack and CodeSearchNet."""


def hub_texts(spec: str) -> DatasetTexts:
    """Open one split. Raises: CorpusError for a spec that is not understood, or without the library."""
    name, options = _parse(spec)
    try:
        import datasets
    except ImportError as error:
        raise CorpusError(f"{spec} needs the datasets library: pip install datasets") from error
    try:
        dataset = datasets.load_dataset(
            name,
            options.get("config"),
            split=options.get("split", "train"),
            revision=options.get("revision"),
            streaming=True,
        )
    except Exception as error:  # the library raises what its file systems and builders raise
        first_line = str(error).strip().partition("\n")[0]
        raise CorpusError(f"{spec} cannot be opened ({first_line}): check its name, config and split") from error
    return DatasetTexts(dataset, options.get("column", "content"), is_free)


def is_free(example: Mapping[str, Any]) -> bool:
    """Whether the example's repository is not reserved for evaluation."""
    repository = next((str(example[column]) for column in _REPOSITORY_COLUMNS if example.get(column)), "")
    return not is_reserved_source(repository.rpartition("/")[2], repository)


def _parse(spec: str) -> tuple[str, dict[str, str]]:
    name, _, query = spec.removeprefix(PREFIX).partition("?")
    options = dict(parse_qsl(query))
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown or not name or not spec.startswith(PREFIX):
        wrong = f"has {unknown[0]!r}, which is no option" if unknown else "names no data set"
        raise CorpusError(
            f"dataset.stream_from {spec!r} {wrong}: write hf:NAME?split=train, with {', '.join(_OPTIONS)}"
        )
    return name, options
