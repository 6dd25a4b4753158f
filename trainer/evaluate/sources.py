"""Text to judge by, from any source that a corpus can have; unlike a corpus, also what is reserved for judging."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tqdm import tqdm

from lsp_server.errors import CorpusError
from trainer.config import CorpusConfig
from trainer.corpus import Document, filters
from trainer.corpus.languages import language_of
from trainer.corpus.secrets import find_secrets
from trainer.corpus.sources import find_all
from trainer.corpus.units import Candidate, candidates, cut


def read_sources(specs: Sequence[str], extensions: Sequence[str] = (".py",)) -> list[Document]:
    """Every readable file of code, once; vendored, generated and huge files and those with secrets are left out.

    Raises: CorpusError for a source that is not there, or when no file is left.
    """
    config = CorpusConfig(sources=tuple(specs), extensions=tuple(extensions))
    unique: dict[str, Document] = {}
    for unit in tqdm(cut(config, find_all(specs)), desc="sources", unit="unit", delay=2):
        for candidate in candidates(unit, config):
            document = _document(config, unit.source, candidate)
            if document is not None:
                unique.setdefault(document.sha256, document)
    if not unique:
        named = ", ".join(specs)
        raise CorpusError(f"no file to judge by in {named}: name folders or repositories with {', '.join(extensions)}")
    return list(unique.values())


def _document(config: CorpusConfig, source: str, candidate: Candidate) -> Document | None:
    is_code = not candidate.problem and candidate.num_bytes <= config.max_file_bytes
    if not is_code or filters.is_vendored(candidate.path):
        return None
    text = _text(config, candidate)
    if text is None:
        return None
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Document(path=candidate.path, source=source, licence=candidate.licence, sha256=digest, text=text)


def _text(config: CorpusConfig, candidate: Candidate) -> str | None:
    try:
        text, problem = filters.decode(candidate.read())
    except OSError:
        return None
    if problem or filters.judge(config, text, language_of(candidate.path)) or find_secrets(text):
        return None
    return text
