"""Building a corpus: sources in, a folder of documents with a manifest out. Owns the order in which files are judged.

Streams: one file is in memory at a time, beside 16 bytes for every document that was kept.
"""

from __future__ import annotations

import fnmatch
import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lsp_server.errors import CorpusError
from trainer.config import CorpusConfig, digest
from trainer.corpus import filters, store
from trainer.corpus.licences import is_permissive
from trainer.corpus.reserved import (
    RESERVED_NAMES,
    RESERVED_REPOSITORIES,
    is_reserved_path,
    is_reserved_source,
    normalise,
    reserved_roots,
)
from trainer.corpus.sources import Source, SourceFile, find_sources


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What became of one source."""

    source: Source
    heldout: bool
    num_documents: int = 0
    num_bytes: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


def build_corpus(config: CorpusConfig, out: Path) -> store.CorpusManifest:
    """Build the corpus that `config` describes into the folder `out`, and return its manifest.

    Raises: CorpusError for a source that cannot be read, or when fewer than `min_documents` are left to train on.
    """
    sources = resolve_sources(config)
    inputs_hash = _inputs_digest(config, sources)
    tallies, refused = _admit(config, sources)
    _check_heldout(config, tallies)
    with store.new_corpus_folder(out) as folder:
        train, heldout = store.ShardWriter(folder, "train"), store.ShardWriter(folder, "heldout")
        try:
            for document, is_heldout in _documents(config, tallies):
                (heldout if is_heldout else train).add(document)
        finally:
            train.close()
            heldout.close()
        _check_size(config, tallies, refused, train.num_documents)
        manifest = _manifest(config, inputs_hash, tallies, refused, train, heldout)
        store.write_manifest(folder, manifest)
    return manifest


def summarise(manifest: store.CorpusManifest) -> str:
    """One line on what was kept and what was left out."""
    parts = [
        f"{manifest.num_documents(split):,} documents, {manifest.num_bytes(split) / 1e6:,.1f} MB {purpose}"
        for split, purpose in (("train", "to train on"), ("heldout", "held out"))
    ]
    if manifest.dropped:
        parts.append(f"left out: {', '.join(f'{count:,} {reason}' for reason, count in manifest.dropped.items())}")
    if manifest.refused_sources:
        parts.append(f"refused: {', '.join(f'{name} ({why})' for name, why in manifest.refused_sources.items())}")
    return "; ".join(parts)


def resolve_sources(config: CorpusConfig) -> list[Source]:
    """All sources that a recipe names, each once."""
    if not config.sources:
        raise CorpusError("the corpus has no sources: name folders, git repositories, stdlib or package:NAME")
    found = [source for spec in config.sources for source in find_sources(spec)]
    unique = {(source.root, source.kind, source.name): source for source in found}
    return list(unique.values())


def inputs_digest(config: CorpusConfig) -> str:
    """A digest that changes when the configuration or a candidate file does, without opening the files."""
    return _inputs_digest(config, resolve_sources(config))


def _inputs_digest(config: CorpusConfig, sources: list[Source]) -> str:
    state = hashlib.sha256(digest(config).encode())
    for source in sources:
        state.update(f"{source.name}\0{source.licence}\0{source.version}\n".encode())
        for file in source.list_files():
            if file.path.endswith(config.extensions):
                state.update(f"{file.path}\0{file.num_bytes}\0{file.version}\n".encode("utf-8", "surrogateescape"))
    return state.hexdigest()


def _admit(config: CorpusConfig, sources: list[Source]) -> tuple[list[_Tally], dict[str, str]]:
    """Choose among the sources, the held-out ones first; the refused ones with the reason."""
    admitted: list[_Tally] = []
    refused: dict[str, str] = {}
    heldout_names = {normalise(name) for name in config.heldout_sources}
    for source in sources:
        if is_reserved_source(source.name, source.repository):
            refused[source.name] = "reserved for evaluation"
        elif any(fnmatch.fnmatchcase(source.name.lower(), pattern.lower()) for pattern in config.exclude):
            refused[source.name] = "excluded"
        elif config.licences == "permissive" and not is_permissive(source.licence):
            refused[source.name] = f"licence {source.licence}"
        else:
            admitted.append(_Tally(source=source, heldout=normalise(source.name) in heldout_names))
    return sorted(admitted, key=lambda tally: not tally.heldout), refused


def _documents(config: CorpusConfig, tallies: list[_Tally]) -> Iterator[tuple[store.Document, bool]]:
    """Every document that is kept, and whether it is held out; no text comes twice."""
    seen: set[bytes] = set()
    by_share = 0.0 if config.heldout_sources else config.heldout_share
    for tally in _progress(tallies):
        for file, text in _texts(config, tally):
            key = filters.fingerprint(text)
            if key in seen:
                tally.dropped["duplicate"] += 1
                continue
            seen.add(key)
            tally.num_documents += 1
            tally.num_bytes += len(text.encode())
            document = store.Document(
                path=file.path,
                source=tally.source.name,
                licence=tally.source.licence,
                sha256=hashlib.sha256(text.encode()).hexdigest(),
                text=text,
            )
            yield document, tally.heldout or filters.share_of(f"heldout {key.hex()}") < by_share


def _texts(config: CorpusConfig, tally: _Tally) -> Iterator[tuple[SourceFile, str]]:
    """The texts of one source that pass every filter, in the order of their paths' hashes, up to the cap.

    That order makes the cap a fair draw over the whole source, and the same draw in every run.
    """
    source = tally.source
    listed = source.list_files()
    roots = reserved_roots(file.path for file in listed)
    files = sorted(listed, key=lambda file: filters.share_of(f"{source.name}/{file.path}"))
    with source.open_reader() as read:
        for file in files:
            if not file.path.endswith(config.extensions):
                continue
            if config.max_bytes_per_source and tally.num_bytes >= config.max_bytes_per_source:
                tally.dropped["over_cap"] += 1
                continue
            reason = _judge_unopened(config, source, file, roots)
            text = ""
            if reason is None:
                text, reason = _open(read, file)
            if reason is None:
                yield file, text
            else:
                tally.dropped[reason] += 1


def _judge_unopened(config: CorpusConfig, source: Source, file: SourceFile, roots: tuple[str, ...]) -> str | None:
    """Give the reason to leave a file out that needs no look inside, or None."""
    name = f"{source.name}/{file.path}"
    if is_reserved_path(file.path, roots):
        return "reserved"
    if any(fnmatch.fnmatchcase(name, pattern) for pattern in config.exclude):
        return "excluded"
    if filters.is_vendored(file.path):
        return "vendored"
    if file.num_bytes > config.max_file_bytes:
        return "too_large"
    if filters.is_test(file.path) and filters.share_of(f"test {name}") >= config.tests_share:
        return "surplus_test"
    return None


def _open(read: Callable[[SourceFile], bytes], file: SourceFile) -> tuple[str, str | None]:
    try:
        content = read(file)
    except OSError:
        return "", "unreadable"
    text, reason = filters.decode(content)
    return text, reason or filters.judge(text)


def _check_heldout(config: CorpusConfig, tallies: Iterable[_Tally]) -> None:
    """A misspelt name would silently be trained on."""
    present = {normalise(tally.source.name) for tally in tallies}
    for name in config.heldout_sources:
        if normalise(name) not in present:
            raise CorpusError(
                f"corpus.heldout_sources names {name!r}, which is no admitted source: correct the name, add it to "
                "corpus.sources, or take it off the list"
            )


def _check_size(config: CorpusConfig, tallies: list[_Tally], refused: dict[str, str], num_documents: int) -> None:
    if num_documents >= config.min_documents:
        return
    looked_at = ", ".join(config.sources)
    dropped = sum((tally.dropped for tally in tallies), Counter[str]())
    reasons = [f"{count} {reason}" for reason, count in sorted(dropped.items())]
    reasons += [f"{name} refused ({reason})" for name, reason in sorted(refused.items())[:10]]
    reasons += [tally.source.note for tally in tallies if tally.source.note][:10]
    raise CorpusError(
        f"the corpus has {num_documents} documents to train on, fewer than {config.min_documents}; "
        f"looked at {looked_at} for {' '.join(config.extensions)} files; "
        f"left out: {', '.join(reasons) or 'nothing, there are none'}; "
        "add sources or relax the recipe's [corpus]"
    )


def _manifest(
    config: CorpusConfig,
    inputs_hash: str,
    tallies: list[_Tally],
    refused: dict[str, str],
    train: store.ShardWriter,
    heldout: store.ShardWriter,
) -> store.CorpusManifest:
    dropped = sum((tally.dropped for tally in tallies), Counter[str]())
    return store.CorpusManifest(
        corpus_hash=store.corpus_digest(train.digests, heldout.digests),
        inputs_hash=inputs_hash,
        config={key: list(value) if isinstance(value, tuple) else value for key, value in asdict(config).items()},
        splits={"train": _split_entry(train), "heldout": _split_entry(heldout)},
        heldout_sources=[tally.source.name for tally in tallies if tally.heldout],
        dropped=dict(sorted(dropped.items())),
        refused_sources=dict(sorted(refused.items())),
        reserved=RESERVED_NAMES | RESERVED_REPOSITORIES,
        sources=[_source_entry(tally) for tally in tallies],
    )


def _split_entry(writer: store.ShardWriter) -> dict[str, Any]:  # Any: JSON
    return {"num_documents": writer.num_documents, "num_bytes": writer.num_bytes, "shards": writer.shards}


def _source_entry(tally: _Tally) -> dict[str, Any]:  # Any: JSON
    return {
        "name": tally.source.name,
        "kind": tally.source.kind,
        "licence": tally.source.licence,
        "version": tally.source.version,
        "heldout": tally.heldout,
        "num_documents": tally.num_documents,
        "num_bytes": tally.num_bytes,
        "dropped": dict(sorted(tally.dropped.items())),
    }


def _progress(tallies: list[_Tally]) -> Iterable[_Tally]:
    """A progress bar on a terminal, shown after two seconds."""
    bar: Iterable[_Tally] = tqdm(
        tallies, desc="corpus", unit="source", delay=2, disable=not sys.stderr.isatty(), file=sys.stderr
    )
    return bar
