"""The corpus stage: from folders, repositories and packages to documents on disk with licence, hash and manifest.

`build_corpus` writes one; the later stages see only `read_documents` and `read_manifest`.
"""

from trainer.corpus.store import CorpusManifest, Document, read_documents, read_manifest

__all__ = ["CorpusManifest", "Document", "read_documents", "read_manifest"]
