"""A data set of the Hub as texts without end, streamed: nothing is downloaded whole. Needs the `datasets` library.

    hf:NAME?split=train&config=python&column=content

It should be one that was cleaned, as codeparrot/codeparrot-clean is: of the corpus stage's filters only the names that
are reserved for evaluation are held against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainer.corpus import hub
from trainer.corpus.reserved import is_reserved_source
from trainer.corpus.rows import USUAL_FIELDS
from trainer.dataset.texts import DatasetTexts

OPTIONS = (*hub.OPTIONS, "column")


def hub_texts(spec: str) -> DatasetTexts:
    """Open one split. Raises: CorpusError for a spec that is not understood, or without the library."""
    name, options = hub.parse(spec, OPTIONS)
    dataset = hub.open_stream(spec, name, options)
    return DatasetTexts(dataset, options.get("column", "content"), is_free)


def is_free(example: Mapping[str, Any]) -> bool:
    """Whether the example's repository is not reserved for evaluation."""
    repository = next((str(example[column]) for column in USUAL_FIELDS["repository"] if example.get(column)), "")
    return not is_reserved_source(repository.rpartition("/")[2], repository)
