"""Text to judge by, from any folders, repositories or packages; unlike a corpus, also what is reserved for judging."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from tqdm import tqdm

from lsp_server.errors import CorpusError
from trainer.config import CorpusConfig
from trainer.corpus import Document, filters
from trainer.corpus.sources import Source, find_sources


def read_sources(specs: Sequence[str], extensions: Sequence[str] = (".py",)) -> list[Document]:
    """Every readable file of code, once; vendored, generated and huge files and those with secrets are left out.

    Raises: CorpusError for a source that is not there, or when no file is left.
    """
    sources = [source for spec in specs for source in find_sources(spec)]
    unique: dict[str, Document] = {}
    for source in tqdm(sources, desc="sources", unit="source", delay=2):
        for document in _documents(source, extensions):
            unique.setdefault(document.sha256, document)
    if not unique:
        named = ", ".join(specs)
        raise CorpusError(f"no file to judge by in {named}: name folders or repositories with {', '.join(extensions)}")
    return list(unique.values())


def _documents(source: Source, extensions: Sequence[str]) -> Iterator[Document]:
    most = CorpusConfig().max_file_bytes
    with source.open_reader() as read:
        for file in source.list_files():
            wanted = PurePosixPath(file.path).suffix in extensions and file.num_bytes <= most
            if not wanted or filters.is_vendored(file.path):
                continue
            try:
                text, reason = filters.decode(read(file))
            except OSError:
                continue
            if (reason or filters.judge(text)) is None:
                digest = hashlib.sha256(text.encode()).hexdigest()
                yield Document(path=file.path, source=source.name, licence=source.licence, sha256=digest, text=text)
